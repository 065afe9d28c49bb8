# SIGTERM: answers what it has accepted, then ends with status 0. From here on the model runs on the edge device.
headline "Stop the server"
kill -TERM "$server"
status=0
wait "$server" || status=$?
[ "$status" -eq 0 ] || {
    cat "$work/serve.log" >&2
    fail "the server ended with status $status"
}
result "SIGTERM, exit status $status"
