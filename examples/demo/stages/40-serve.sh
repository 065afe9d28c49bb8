# The server on a free port of the loopback interface.
headline "The server"
port=5001
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
done
base=http://127.0.0.1:$port
say "\$ skerry serve $bundle --port $port &"
"$skerry" serve "$bundle" --port "$port" >"$work/serve.log" 2>&1 &
server=$!
at_exit "kill -KILL $server 2>/dev/null"

started=$(date +%s%N)
until curl -fsS --noproxy '*' -o "$work/ready" "$base/readyz" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || {
        cat "$work/serve.log" >&2
        fail "the server ended"
    }
    [ $(($(date +%s%N) - started)) -lt 60000000000 ] || fail "the server is not ready after 60 s"
    sleep 0.01
done
result "ready after $((($(date +%s%N) - started) / 1000000)) ms: open $base/ in a browser while it runs"
