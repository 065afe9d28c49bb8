# Prints count, mean, p50 and p99 per stage from the histograms of /metrics. Quantiles are interpolated within a bucket.

/^skerry_request_stage_seconds/ {
    match($0, /stage="[a-z_]+"/)
    stage = substr($0, RSTART + 7, RLENGTH - 8)
    if (!(stage in seen)) {
        seen[stage] = 1
        order[++stages] = stage
    }
    if (/_sum[{ ]/)
        sum[stage] += $NF
    if (/_count[{ ]/)
        count[stage] += $NF
    if (match($0, /le="[^"]+"/)) {
        bound = substr($0, RSTART + 4, RLENGTH - 5)
        if (!((stage, bound) in at))
            bounds[stage, ++n[stage]] = bound
        at[stage, bound] += $NF
    }
}

function quantile(stage, q,    i, want, below, lower, here, bound) {
    want = q * count[stage]
    below = lower = 0
    for (i = 1; i <= n[stage]; i++) {
        bound = bounds[stage, i]
        here = at[stage, bound]
        if (here >= want && bound != "+Inf")
            return lower + (here > below ? (bound - lower) * (want - below) / (here - below) : 0)
        below = here
        lower = bound
    }
    return lower
}

END {
    printf "%-10s %8s %10s %10s %10s\n", "stage", "count", "mean ms", "p50 ms", "p99 ms"
    for (i = 1; i <= stages; i++) {
        s = order[i]
        if (count[s] > 0)
            printf "%-10s %8d %10.2f %10.2f %10.2f\n", s, count[s], 1000 * sum[s] / count[s],
                1000 * quantile(s, 0.5), 1000 * quantile(s, 0.99)
    }
}
