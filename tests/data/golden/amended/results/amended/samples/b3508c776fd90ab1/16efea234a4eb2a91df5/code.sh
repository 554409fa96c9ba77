# usage: sh code.sh SAMPLE X: y = 1 - x, and a failure above 0.7
[ -z "$GOLDEN_LOG" ] || echo "$1" >> "$GOLDEN_LOG"
awk -v x="$2" 'BEGIN {if (x > 0.7) exit 5; printf "y = %.17g\n", 1 - x}'
