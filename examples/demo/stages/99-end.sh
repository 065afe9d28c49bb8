# Ends everything, or with KEEP=1 says where it is; and the table.
title="Stop the edge device and the hub"
[ -z "$keep" ] || title="Left running (KEEP=1)"
headline "$title"
if [ -n "$keep" ]; then
    cat >"$work/stop.sh" <<END
#!/bin/sh
# Ends what the demo left running.
cd '$PWD' || exit 1
'$edge_skerry' edge stop --all --data-dir '$edge_dir'
! grep -aq '$hub_dir' /proc/$hub_pid/cmdline 2>/dev/null || kill $hub_pid
rm -rf '$edge_home' '$work/stop.sh'
END
    chmod +x "$work/stop.sh"
    say "$(printf '%-32s' "$base/") a page to drop pictures on; programs POST them to $base/predict"
    say "$(printf '%-32s' "http://$edge_address:9600/metrics") figures of the local hub, for Prometheus"
    say "$(printf '%-32s' "$hub") the hub; commands find it with"
    say "    export SKERRY_CONFIG_DIR=$SKERRY_CONFIG_DIR"
    say "    $skerry monitor --follow"
    say "    $edge_skerry edge list --data-dir $edge_dir"
    say "    $edge_skerry edge logs defect-detector --data-dir $edge_dir"
    say "to end it:  $work/stop.sh"
    result "$work/stop.sh ends it"
else
    show_edge stop --all
    wait "$edge_pid" || fail "the agent ended with status $?: $(tail -n 3 "$work/edge.log")"
    stop_hub
    ! pgrep -f "$edge_home" >/dev/null || fail "something is left running: $(pgrep -af "$edge_home")"
    result "nothing is left running"
fi
close_step
demo_ended=1
printf '\n%s== what happened%s\n' "$bold" "$plain"
printf '   %s\n' " #  step                                    s   result" "${rows[@]}"
printf '       %-34s %6s\n' "all of it" "$(seconds $(($(now_ms) - demo_start)))"
