/*
 * answer.c - what goes back: status, headers, body, and the hand-over from any thread to the event
 * loop.
 *
 * A handler fills the request's answer and calls sk_http_answer(). Inside handle() that only marks
 * the request, and the event loop queues the answer when handle() returns. Afterwards, from another
 * thread, it resumes the suspended connection, and its event loop queues the answer. `turn` decides
 * which of the two it is, by one exchange:
 *
 *     HANDLER --answer--> ANSWERED                      the loop sees it when handle() returns
 *     HANDLER --return--> SUSPENDED --answer--> ANSWERED  the answering thread resumes
 *
 * The bytes are sent from the request's own buffer, with the headers, in one write.
 */
#include "http/http_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

void sk_http_set_status(struct sk_http_req *r, int status)
{
    r->status = status;
}

void sk_http_set_header(struct sk_http_req *r, const char *name, const char *value)
{
    if (r->out_header_count == sizeof r->out_headers / sizeof r->out_headers[0])
        return;
    struct sk_pair copy = {
        sk_arena_strndup(&r->arena, name, strlen(name)),
        sk_arena_strndup(&r->arena, value, strlen(value)),
    };
    if (copy.name && copy.value)
        r->out_headers[r->out_header_count++] = copy;
}

void sk_http_set_type(struct sk_http_req *r, const char *content_type)
{
    r->type = content_type;
}

struct sk_buf *sk_http_out(struct sk_http_req *r)
{
    return &r->out;
}

void sk_http_set_static(struct sk_http_req *r, const void *bytes, size_t len)
{
    r->static_bytes = bytes;
    r->static_len = len;
}

void sk_http_set_file(struct sk_http_req *r, int fd, uint64_t offset, uint64_t len)
{
    sk_answer_drop_file(r);
    r->has_file = true;
    r->file_fd = fd;
    r->file_offset = offset;
    r->file_len = len;
}

void sk_answer_drop_file(struct sk_http_req *r)
{
    if (r->has_file)
        (void)close(r->file_fd);
    r->has_file = false;
}

void sk_http_error(struct sk_http_req *r, const struct sk_err *err)
{
    sk_buf_clear(&r->out);
    sk_buf_str(&r->out, "{\"error\":");
    sk_buf_json_str(&r->out, err->text);
    sk_buf_chr(&r->out, '}');
    r->static_bytes = NULL;
    r->feed.is_used = false;
    sk_answer_drop_file(r);
    r->type = "application/json";
    if (!r->status)
        r->status = sk_code_http(err->code);
    if (err->code == SK_BUSY) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%d", SK_HTTP_RETRY_AFTER_S);
        sk_http_set_header(r, "Retry-After", seconds);
    }
}

/* Its connection may be gone already; this ends the request, and perhaps the connection. */
static void bury_orphan(struct sk_http_req *r)
{
    struct sk_http_server *s = r->conn->server;
    sk_source_end(r);
    if (s->opts.finished)
        s->opts.finished(r, r->raw_status, sk_now_ns() - r->start_ns, s->opts.ctx);
    sk_conn_unref(r->conn);
    atomic_fetch_sub(&s->orphans, 1);
}

void sk_http_answer(struct sk_http_req *r)
{
    struct sk_http_server *s = r->conn->server;
    struct MHD_Connection *mhd = r->mhd;

    atomic_fetch_add(&s->answering, 1); /* sk_http_stop() waits for us */
    int before = atomic_exchange(&r->turn, SK_TURN_ANSWERED);
    if (before == SK_TURN_SUSPENDED)
        MHD_resume_connection(mhd);
    else if (before == SK_TURN_ORPHAN)
        bury_orphan(r);
    atomic_fetch_sub(&s->answering, 1);
}

void sk_answer_wait(struct sk_http_req *r)
{
    int expected = SK_TURN_HANDLER;
    if (atomic_load(&r->turn) == SK_TURN_ANSWERED)
        return;
    MHD_suspend_connection(r->mhd);
    if (!atomic_compare_exchange_strong(&r->turn, &expected, SK_TURN_SUSPENDED))
        MHD_resume_connection(r->mhd); /* answered a moment ago */
}

/* libmicrohttpd takes the bytes as void * and only reads them. */
static void *unconst(const void *p)
{
    void *out;
    memcpy(&out, &p, sizeof out);
    return out;
}

/* Whether libmicrohttpd will keep the connection as far as the client is asked. */
static bool client_keeps(const struct sk_http_req *r)
{
    const char *wish = sk_http_header(r, "Connection");
    if (r->is_1_0)
        return wish && strcasestr(wish, "keep-alive");
    return !wish || !strcasestr(wish, "close");
}

static void add_headers(struct MHD_Response *response, const struct sk_http_req *r)
{
    const struct sk_http_server *s = r->conn->server;
    if (r->type)
        (void)MHD_add_response_header(response, "Content-Type", r->type);
    if (r->id[0])
        (void)MHD_add_response_header(response, "X-Request-Id", r->id);
    for (size_t i = 0; i < r->out_header_count; i++)
        (void)MHD_add_response_header(response, r->out_headers[i].name, r->out_headers[i].value);
    if (r->closes || atomic_load(&s->is_draining) || atomic_load(&s->is_retired))
        (void)MHD_add_response_header(response, "Connection", "close");
    else if (s->keep_alive[0] && client_keeps(r))
        (void)MHD_add_response_header(response, "Keep-Alive", s->keep_alive);
}

/* libmicrohttpd would wait for the missing bytes. */
static bool is_cut_file(const struct sk_http_req *r)
{
    struct stat st;
    return r->has_file &&
           (fstat(r->file_fd, &st) < 0 || st.st_size < 0 || r->file_offset > (uint64_t)st.st_size ||
            r->file_len > (uint64_t)st.st_size - r->file_offset);
}

static struct MHD_Response *make_response(struct sk_http_req *r)
{
    if (r->feed.is_used)
        return sk_source_response(r);
    if (r->has_file && r->file_len > 0) {
        struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(
            r->file_len, r->file_fd, r->file_offset);
        r->has_file = r->has_file && !response; /* it closes the file */
        return response;
    }
    const void *bytes = r->static_bytes ? r->static_bytes : r->out.data ? r->out.data : "";
    size_t len = r->has_file ? 0 : r->static_bytes ? r->static_len : r->out.len;
    return MHD_create_response_from_buffer(len, unconst(bytes), MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result sk_answer_queue(struct sk_http_req *r, struct MHD_Connection *mhd)
{
    if (is_cut_file(r)) {
        struct sk_err err = { .code = SK_IO, .text = "the file is shorter than it was" };
        r->status = 0;
        sk_http_error(r, &err);
    }
    if ((!r->static_bytes && !r->has_file && !sk_buf_ok(&r->out)) ||
        (r->feed.is_used && sk_source_ready(r) < 0)) {
        struct sk_err err = { .code = SK_NOMEM, .text = "out of memory" };
        r->status = 0;
        sk_http_error(r, &err);
    }
    if (!r->status)
        r->status = MHD_HTTP_OK;
    atomic_store(&r->conn->is_paced, r->has_file || r->feed.is_used); /* its deadline moves, see
                                                                         conn.c */
    if (!sk_conn_enter(r->conn, SK_STAGE_SENDING, r->conn->server->opts.read_ms))
        return MHD_NO;
    struct MHD_Response *response = make_response(r);
    if (!response)
        return MHD_NO;
    add_headers(response, r);
    r->conn->lingers = r->closes;
    enum MHD_Result result = MHD_queue_response(mhd, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

void sk_answer_raw(int fd, int status, const char *request_id, const char *json)
{
    char head[512];
    size_t json_len = json ? strlen(json) : 0;
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                       "%s%s%s%sConnection: close\r\n\r\n",
                       status, MHD_get_reason_phrase_for((unsigned)status), json_len,
                       request_id ? "X-Request-Id: " : "", request_id ? request_id : "",
                       request_id ? "\r\n" : "",
                       status == MHD_HTTP_SERVICE_UNAVAILABLE ? "Retry-After: 1\r\n" : "");
    struct iovec parts[] = { { head, (size_t)len }, { unconst(json), json_len } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    (void)!sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); /* whether it arrives is the peer's
                                                                  affair now */
}

void sk_answer_early(struct sk_http_req *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(r->out.len + (64 << 10));
    r->status = r->status ? r->status : MHD_HTTP_OK;
    sk_buf_fmt(&b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nX-Request-Id: %s\r\n", r->status,
               MHD_get_reason_phrase_for((unsigned)r->status), r->type ? r->type : "text/plain",
               r->id);
    for (size_t i = 0; i < r->out_header_count; i++)
        sk_buf_fmt(&b, "%s: %s\r\n", r->out_headers[i].name, r->out_headers[i].value);
    sk_buf_fmt(&b, "Content-Length: %zu\r\nConnection: close\r\n\r\n", r->out.len);
    sk_buf_add(&b, r->out.data ? r->out.data : "", r->out.len);
    r->raw_status = r->status;
    r->conn->lingers = true;
    if (sk_buf_ok(&b)) /* whether it arrives is the peer's affair now */
        (void)!send(r->conn->fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}
