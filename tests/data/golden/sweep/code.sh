# usage: sh code.sh SAMPLE SOLVER MESH WIDTH U V: a heat that depends on all of them
[ -z "$GOLDEN_LOG" ] || echo "$1" >> "$GOLDEN_LOG"
shift
awk -v s="$1" -v m="$2" -v w="$3" -v u="$4" -v v="$5" '{
  if (s == "lu" && u > 3.4) exit 2
  printf "q = %.15g\n", (m == "fine" ? 1.25 : 1) * u * w + v + ($2 == "ilu" ? 0.125 : 0)
}' settings.txt
