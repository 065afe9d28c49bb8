/*
 * jpeg_fast_idct_body.h - the inverse DCT for vectors of 128-bit lanes, one block per lane.
 *
 * Compiled into jpeg_fast_avx2.c (VEC of 2 lanes) and jpeg_fast_avx512.c (4 lanes), which provide
 *
 *     VEC, LANES, V(op)                  vector type, lanes in it, intrinsic of that width
 *     VI(op)                             the same for intrinsics named after the whole register
 * (and_si256) madd_to(acc, a, k)                 acc + pairwise sum of products, modulo 2^32
 *     load_lanes(p[LANES], at)           eight values from each address, from index `at` on
 *     load_all(p)                        the same 16 bytes in each lane
 *     store_lanes(v, dst[LANES], at, stride)   two rows of 8 bytes to each address, from index `at`
 * on
 *
 * Same arithmetic as jpeg_fast_idct_c.c, see there. A pass has its eight inputs or outputs in eight
 * vectors, eight independent transforms side by side in each lane. After the first pass the 8x8
 * matrix of 16-bit values is transposed; after the second, when results are bytes, that of bytes.
 */
enum {
    F_0_298 = 2446,
    F_0_390 = 3196,
    F_0_541 = 4433,
    F_0_765 = 6270,
    F_0_899 = 7373,
    F_1_175 = 9633,
    F_1_501 = 12299,
    F_1_847 = 15137,
    F_1_961 = 16069,
    F_2_053 = 16819,
    F_2_562 = 20995,
    F_3_072 = 25172,
    CONST_BITS = 13,
    SHIFT_1 = CONST_BITS - 2,
    SHIFT_2 = CONST_BITS + 2 + 3,
};

#define UNROLL        _Pragma("GCC unroll 8")
#define ALWAYS_INLINE inline __attribute__((always_inline)) /* keeps v[] in registers */

/* Factors for a pair of neighbouring 16-bit values. */
static inline VEC pair(int first, int second)
{
    return V(set1_epi32)((int)((unsigned)first & 0xFFFF) | (int)((unsigned)second << 16));
}

/* The two halves of eight 32-bit sums per lane. */
struct wide {
    VEC lo, hi;
};

static inline struct wide interleave(VEC a, VEC b)
{
    return (struct wide){ V(unpacklo_epi16)(a, b), V(unpackhi_epi16)(a, b) };
}

static inline struct wide wide_madd(struct wide acc, struct wide x, VEC k)
{
    return (struct wide){ madd_to(acc.lo, x.lo, k), madd_to(acc.hi, x.hi, k) };
}

/* (b + a) and (b - a), scaled down to 16 bits with saturation; b carries the rounding. */
static inline void butterfly(struct wide b, struct wide a, int shift, VEC *sum, VEC *difference)
{
    *sum = V(packs_epi32)(V(srai_epi32)(V(add_epi32)(b.lo, a.lo), shift),
                          V(srai_epi32)(V(add_epi32)(b.hi, a.hi), shift));
    *difference = V(packs_epi32)(V(srai_epi32)(V(sub_epi32)(b.lo, a.lo), shift),
                                 V(srai_epi32)(V(sub_epi32)(b.hi, a.hi), shift));
}

/* 16-bit x to x * 2^13 + rounding, in 32 bits. */
static inline struct wide scale_up(VEC x, VEC round)
{
    VEC zero = VI(setzero)();
    return (struct wide){
        V(add_epi32)(V(srai_epi32)(V(unpacklo_epi16)(zero, x), 16 - CONST_BITS), round),
        V(add_epi32)(V(srai_epi32)(V(unpackhi_epi16)(zero, x), 16 - CONST_BITS), round)
    };
}

static ALWAYS_INLINE void pass(VEC v[8], int shift)
{
    VEC zero = VI(setzero)();
    VEC round = V(set1_epi32)(1 << (shift - 1));
    struct wide none = { zero, zero };

    struct wide x26 = interleave(v[2], v[6]);
    struct wide c0 = scale_up(V(add_epi16)(v[0], v[4]), round);
    struct wide c1 = scale_up(V(sub_epi16)(v[0], v[4]), round);
    struct wide b0 = wide_madd(c0, x26, pair(F_0_541 + F_0_765, F_0_541));
    struct wide b3 = wide_madd(c0, x26, pair(-F_0_541 - F_0_765, -F_0_541));
    struct wide b1 = wide_madd(c1, x26, pair(F_0_541, F_0_541 - F_1_847));
    struct wide b2 = wide_madd(c1, x26, pair(-F_0_541, F_1_847 - F_0_541));

    struct wide z = interleave(V(add_epi16)(v[7], v[3]), V(add_epi16)(v[5], v[1]));
    struct wide z3 = wide_madd(none, z, pair(F_1_175 - F_1_961, F_1_175));
    struct wide z4 = wide_madd(none, z, pair(F_1_175, F_1_175 - F_0_390));
    struct wide x71 = interleave(v[7], v[1]), x53 = interleave(v[5], v[3]);
    struct wide a0 = wide_madd(z4, x71, pair(-F_0_899, F_1_501 - F_0_899));
    struct wide a1 = wide_madd(z3, x53, pair(-F_2_562, F_3_072 - F_2_562));
    struct wide a2 = wide_madd(z4, x53, pair(F_2_053 - F_2_562, -F_2_562));
    struct wide a3 = wide_madd(z3, x71, pair(F_0_298 - F_0_899, -F_0_899));

    butterfly(b0, a0, shift, &v[0], &v[7]);
    butterfly(b1, a1, shift, &v[1], &v[6]);
    butterfly(b2, a2, shift, &v[2], &v[5]);
    butterfly(b3, a3, shift, &v[3], &v[4]);
}

/* Rows of 16-bit values become columns, within each lane. */
static ALWAYS_INLINE void transpose(VEC v[8])
{
    VEC a[8], b[8];
    UNROLL
    for (int i = 0; i < 4; i++) { /* a[2i], a[2i + 1]: pairs of rows 2i and 2i + 1 */
        a[2 * i] = V(unpacklo_epi16)(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = V(unpackhi_epi16)(v[2 * i], v[2 * i + 1]);
    }
    UNROLL
    for (int i = 0; i < 2; i++) { /* columns 0 1, 2 3, 4 5, 6 7 of rows 4i .. 4i + 3 */
        b[4 * i] = V(unpacklo_epi32)(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = V(unpackhi_epi32)(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = V(unpacklo_epi32)(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = V(unpackhi_epi32)(a[4 * i + 1], a[4 * i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        v[2 * i] = V(unpacklo_epi64)(b[i], b[i + 4]);
        v[2 * i + 1] = V(unpackhi_epi64)(b[i], b[i + 4]);
    }
}

/* Columns of samples less 128 to rows of bytes in memory. */
static ALWAYS_INLINE void put_columns(const VEC v[8], uint8_t *const dst[LANES], size_t stride)
{
    VEC c02 = V(packs_epi16)(v[0], v[2]), c13 = V(packs_epi16)(v[1], v[3]);
    VEC c46 = V(packs_epi16)(v[4], v[6]), c57 = V(packs_epi16)(v[5], v[7]);
    VEC c01 = V(unpacklo_epi8)(c02, c13), c23 = V(unpackhi_epi8)(c02, c13);
    VEC c45 = V(unpacklo_epi8)(c46, c57), c67 = V(unpackhi_epi8)(c46, c57);
    VEC left_03 = V(unpacklo_epi16)(c01, c23), left_47 = V(unpackhi_epi16)(c01, c23);
    VEC right_03 = V(unpacklo_epi16)(c45, c67), right_47 = V(unpackhi_epi16)(c45, c67);
    VEC rows[4] = { V(unpacklo_epi32)(left_03, right_03), V(unpackhi_epi32)(left_03, right_03),
                    V(unpacklo_epi32)(left_47, right_47), V(unpackhi_epi32)(left_47, right_47) };
    VEC center = V(set1_epi8)((char)0x80);
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        store_lanes(VI(xor)(rows[i], center), dst, 2 * i * stride, stride);
    }
}

/* One block per lane; a last group that is not full does its last block again. */
static ALWAYS_INLINE void take_jobs(const struct sk_jf_job *jobs, size_t left,
                                    const int16_t *coef[LANES], uint8_t *dst[LANES])
{
    UNROLL
    for (size_t l = 0; l < LANES; l++) {
        const struct sk_jf_job *j = &jobs[l < left ? l : left - 1];
        coef[l] = j->block->coef;
        dst[l] = j->dst;
    }
}

static ALWAYS_INLINE VEC load_row(const int16_t *const coef[LANES], size_t row,
                                  const int16_t *quant)
{
    return V(mullo_epi16)(load_lanes(coef, 8 * row), load_all(quant + 8 * row));
}

static void idct(const struct sk_jf_job *jobs, size_t count, size_t stride, const int16_t *quant)
{
    for (size_t i = 0; i < count; i += LANES) {
        const int16_t *coef[LANES];
        uint8_t *dst[LANES];
        take_jobs(jobs + i, count - i, coef, dst);
        VEC v[8];
        UNROLL
        for (size_t row = 0; row < 8; row++)
            v[row] = load_row(coef, row, quant);
        pass(v, SHIFT_1);
        transpose(v);
        pass(v, SHIFT_2);
        put_columns(v, dst, stride);
    }
}

/*
 * With four inputs each output is one product sum of (in0, in2) and one of (in1, in3). x02 and x13
 * hold such pairs for four transforms per lane.
 */
static ALWAYS_INLINE void pass_4(VEC x02, VEC x13, int shift, VEC sum[4], VEC difference[4])
{
    enum {
        ONE = 1 << CONST_BITS
    };

    static const int16_t even[4][2] = {
        { ONE, F_0_541 + F_0_765 }, { ONE, F_0_541 }, { ONE, -F_0_541 }, { ONE, -F_0_541 - F_0_765 }
    };
    static const int16_t odd[4][2] = {
        { F_1_501 - F_0_899 + F_1_175 - F_0_390, F_1_175 },
        { F_1_175, F_3_072 - F_2_562 + F_1_175 - F_1_961 },
        { F_1_175 - F_0_390, F_1_175 - F_2_562 },
        { F_1_175 - F_0_899, F_1_175 - F_1_961 },
    };
    VEC round = V(set1_epi32)(1 << (shift - 1));
    UNROLL
    for (int i = 0; i < 4; i++) {
        VEC b = madd_to(round, x02, pair(even[i][0], even[i][1]));
        VEC a = V(madd_epi16)(x13, pair(odd[i][0], odd[i][1]));
        sum[i] = V(srai_epi32)(V(add_epi32)(b, a), shift);
        difference[i] = V(srai_epi32)(V(sub_epi32)(b, a), shift);
    }
}

static inline VEC pick_pairs(VEC a, VEC b, const int which)
{
    return which ? PICK_DWORDS(a, b, 0xDD) : PICK_DWORDS(a, b, 0x88);
}

static void idct_4x4(const struct sk_jf_job *jobs, size_t count, size_t stride,
                     const int16_t *quant)
{
    for (size_t i = 0; i < count; i += LANES) {
        const int16_t *coef[LANES];
        uint8_t *dst[LANES];
        take_jobs(jobs + i, count - i, coef, dst);
        VEC in[4], s[4], d[4];
        UNROLL
        for (size_t row = 0; row < 4; row++) /* columns in the order 0 2 1 3: pairs for the second
                                                pass */
            in[row] = V(shufflelo_epi16)(load_row(coef, row, quant), 0xD8);
        pass_4(V(unpacklo_epi16)(in[0], in[2]), V(unpacklo_epi16)(in[1], in[3]), SHIFT_1, s, d);
        VEC r01 = V(packs_epi32)(s[0], s[1]), r23 = V(packs_epi32)(s[2], s[3]);
        VEC r45 = V(packs_epi32)(d[3], d[2]), r67 = V(packs_epi32)(d[1], d[0]);
        VEC lo_s[4], lo_d[4], hi_s[4], hi_d[4], v[8];
        pass_4(pick_pairs(r01, r23, 0), pick_pairs(r01, r23, 1), SHIFT_2, lo_s, lo_d);
        pass_4(pick_pairs(r45, r67, 0), pick_pairs(r45, r67, 1), SHIFT_2, hi_s, hi_d);
        UNROLL
        for (int c = 0; c < 4; c++) {
            v[c] = V(packs_epi32)(lo_s[c], hi_s[c]);
            v[7 - c] = V(packs_epi32)(lo_d[c], hi_d[c]);
        }
        put_columns(v, dst, stride);
    }
}
