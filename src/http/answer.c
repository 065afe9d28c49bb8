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

#include <errno.h>
#include <sys/socket.h>

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

void sk_http_error(struct sk_http_req *r, const struct sk_err *err)
{
    sk_buf_clear(&r->out);
    sk_buf_str(&r->out, "{\"error\":");
    sk_buf_json(&r->out, err->text, strlen(err->text));
    sk_buf_chr(&r->out, '}');
    r->static_bytes = NULL;
    r->type = "application/json";
    if (!r->status)
        r->status = sk_code_http(err->code);
    if (err->code == SK_BUSY) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%d", SK_HTTP_RETRY_AFTER_S);
        sk_http_set_header(r, "Retry-After", seconds);
    }
}

void sk_http_answer(struct sk_http_req *r)
{
    struct sk_http_server *s = r->conn->server;
    struct MHD_Connection *mhd = r->mhd;

    atomic_fetch_add(&s->answering, 1); /* sk_http_stop() waits for us */
    if (atomic_exchange(&r->turn, SK_TURN_ANSWERED) == SK_TURN_SUSPENDED)
        MHD_resume_connection(mhd);
    atomic_fetch_sub(&s->answering, 1);
}

/* libmicrohttpd takes the bytes as void * and only reads them. */
static void *unconst(const void *p)
{
    void *out;
    memcpy(&out, &p, sizeof out);
    return out;
}

static void add_headers(struct MHD_Response *response, const struct sk_http_req *r)
{
    if (r->type)
        (void)MHD_add_response_header(response, "Content-Type", r->type);
    if (r->id[0])
        (void)MHD_add_response_header(response, "X-Request-Id", r->id);
    for (size_t i = 0; i < r->out_header_count; i++)
        (void)MHD_add_response_header(response, r->out_headers[i].name, r->out_headers[i].value);
    if (r->closes || atomic_load(&r->conn->server->is_draining))
        (void)MHD_add_response_header(response, "Connection", "close");
}

enum MHD_Result sk_answer_queue(struct sk_http_req *r, struct MHD_Connection *mhd)
{
    if (!r->static_bytes && !sk_buf_ok(&r->out)) {
        struct sk_err err = { .code = SK_NOMEM, .text = "out of memory" };
        r->status = 0;
        sk_http_error(r, &err);
    }
    const void *bytes = r->static_bytes ? r->static_bytes : r->out.data ? r->out.data : "";
    size_t len = r->static_bytes ? r->static_len : r->out.len;
    if (!r->status)
        r->status = MHD_HTTP_OK;
    if (!sk_conn_enter(r->conn, SK_STAGE_SENDING, r->conn->server->opts.read_ms))
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, unconst(bytes),
                                                                    MHD_RESPMEM_PERSISTENT);
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
