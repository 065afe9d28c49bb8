# The load generator that is built in: throughput and latency with one caller and with four.
headline "Load"
show "$skerry" bench "$base" --image "${pictures[0]}" --concurrency 1,4 --duration "$bench_time" --warmup 200ms
result "one caller, then four, $bench_time each"
