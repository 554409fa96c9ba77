# usage: sh code.sh SAMPLE FILE: y = c, or a failure that depends on a
[ -z "$GOLDEN_LOG" ] || echo "$1" >> "$GOLDEN_LOG"
[ "$GOLDEN_K" = 3 ] || exit 9
a=$(awk '$1 == "a" {print int(100 * $2)}' "$2")
c=$(awk '$1 == "c" {print $2}' "$2")
if [ "$a" -ge 97 ]; then echo "no convergence" >&2; exit 3; fi
if [ "$a" -ge 90 ]; then kill -KILL $$; fi
if [ "$a" -ge 78 ]; then c=none; a=0; fi
if [ "$a" -ge 74 ]; then exec sleep 60; fi
echo "y = $c"
[ "$a" -ge 66 ] || echo "done"
