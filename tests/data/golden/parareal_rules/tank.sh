# usage: sh tank.sh T0 T1 TEMPERATURE RATE STEPS: cooling to 20 degrees by Euler steps
[ -z "$GOLDEN_LOG" ] || echo "$1 $5" >> "$GOLDEN_LOG"
awk -v a="$1" -v b="$2" -v T="$3" -v r="$4" -v n="$5" 'BEGIN {
  for (i = 0; i < n; i++) T -= (b - a) / n * r * (T - 20)
  printf "T = %.17g\n", T
}'
