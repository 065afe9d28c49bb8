/*
 * result.c - scores to probabilities, and the best of them.
 *
 * Softmax is computed in double with the largest score subtracted: exact enough that float32
 * results are within one unit of the true value for any scores, and free of overflow. A NaN among
 * the scores makes all of a row NaN, as it should.
 */
#include "prep/prep.h"

#include <math.h>
#include <string.h>

static void softmax(const float *scores, size_t n, float *out)
{
    double largest = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, (double)scores[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)scores[i] - largest);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(exp((double)scores[i] - largest) / sum);
}

void sk_prep_probabilities(const float *scores, size_t n, enum sk_problem problem, bool already,
                           float *out)
{
    if (already) {
        memmove(out, scores, n * sizeof(*out));
    } else if (problem == SK_PROBLEM_SINGLE) {
        softmax(scores, n, out);
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(1.0 / (1.0 + exp(-(double)scores[i])));
    }
}

bool sk_prep_looks_normalised(const float *scores, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(scores[i] >= 0 && scores[i] <= 1))
            return false;
        sum += (double)scores[i];
    }
    return n > 0 && fabs(sum - 1) <= 1e-3;
}

/* True when a comes before b in the answer. */
static bool is_better(struct sk_score a, struct sk_score b)
{
    bool a_nan = isnan(a.probability), b_nan = isnan(b.probability);

    if (a_nan != b_nan)
        return b_nan;
    if (!a_nan && a.probability != b.probability)
        return a.probability > b.probability;
    return a.index < b.index;
}

/* Restores the heap below i: a parent is never better than its children, so the worst is at the
 * root. */
static void sift_down(struct sk_score *heap, size_t count, size_t i)
{
    struct sk_score moved = heap[i];

    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_better(heap[child], heap[child + 1]))
            child++;
        if (!is_better(moved, heap[child]))
            break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

size_t sk_prep_top(const float *probabilities, size_t n, size_t k, struct sk_score *out)
{
    size_t count = k < n ? k : n;

    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct sk_score){ (uint32_t)i, probabilities[i] };
    for (size_t i = count / 2; i > 0; i--)
        sift_down(out, count, i - 1);
    for (size_t i = count; i < n; i++) {
        struct sk_score s = { (uint32_t)i, probabilities[i] };
        if (is_better(s, out[0])) {
            out[0] = s;
            sift_down(out, count, 0);
        }
    }
    for (size_t rest = count - 1; rest > 0; rest--) { /* the worst of the rest goes to its end */
        struct sk_score worst = out[0];
        out[0] = out[rest];
        out[rest] = worst;
        sift_down(out, rest, 0);
    }
    return count;
}
