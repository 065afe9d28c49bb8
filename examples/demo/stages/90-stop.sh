# SIGTERM: answers what it has accepted, then ends with status 0.
headline "Stop"
kill -TERM "$server"
status=0
wait "$server" || status=$?
say "SIGTERM, exit status $status"
[ "$status" -eq 0 ] || {
    cat "$work/serve.log" >&2
    fail "the server ended with status $status"
}
