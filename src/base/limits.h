/*
 * limits.h - every quantity that a peer controls: its name and its default.
 *
 * What can be changed has an option of the same name (docs/spec/serve.md lists them); each has a
 * test at the limit and beyond.
 */
#ifndef SK_BASE_LIMITS_H
#define SK_BASE_LIMITS_H

/* serve: --max-body-size, --max-pixels, --max-header-size, --max-connections, --max-queue,
 * --request-timeout, --read-timeout, --idle-timeout, --max-parts, --max-json-values,
 * --max-output-size */
#define SK_LIMIT_BODY_BYTES   (64u << 20)
#define SK_LIMIT_PIXELS       178956970u /* twice Pillow's MAX_IMAGE_PIXELS: where Pillow refuses */
#define SK_LIMIT_HEADER_BYTES (32u << 10)
#define SK_LIMIT_CONNECTIONS  1024u
#define SK_LIMIT_QUEUE        1024u  /* a request of each connection: a burst waits */
#define SK_LIMIT_REQUEST_MS   30000u /* accepted -> answered, else 504 */
#define SK_LIMIT_READ_MS      30000u /* first byte of a request -> its last byte, else cut */
#define SK_LIMIT_IDLE_MS      75000u /* keep-alive without a request */
#define SK_LIMIT_PARTS        64u    /* images in one request */
#define SK_LIMIT_JSON_VALUES  2000000u
#define SK_LIMIT_OUTPUT_BYTES (256u << 20) /* of all outputs of one V2 request */
#define SK_LIMIT_JSON_DEPTH   64u

/* fixed */
#define SK_LIMIT_BOUNDARY_BYTES    70u /* RFC 2046 */
#define SK_LIMIT_PART_HEADER_BYTES (8u << 10)
#define SK_LIMIT_CONFIG_BYTES      (4u << 20) /* one JSON file of a bundle */
#define SK_LIMIT_LABELS            100000u
#define SK_LIMIT_SIDE              65500u /* pixels on a side: what JPEG can hold */
#define SK_LIMIT_JPEG_SCANS        100u   /* progressive: a cheap file must not cost minutes */
#define SK_LIMIT_RANK              8u
#define SK_LIMIT_TENSORS           64u /* inputs or outputs of a model or request */
#define SK_LIMIT_REQUEST_ID_BYTES  128u

#endif
