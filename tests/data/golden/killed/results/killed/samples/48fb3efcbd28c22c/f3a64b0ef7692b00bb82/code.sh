# usage: sh code.sh SAMPLE FILE: y = x w; with GOLDEN_HANG it hangs once the log has that many lines
[ -z "$GOLDEN_LOG" ] || echo "$1" >> "$GOLDEN_LOG"
if [ -n "$GOLDEN_HANG" ] && [ "$(wc -l < "$GOLDEN_LOG")" -ge "$GOLDEN_HANG" ]; then
  exec sleep 1000
fi
awk '$1 > 0.9 {exit 4} {printf "y = %.17g\n", $1 * $2}' "$2"
