# usage: sh code.sh SAMPLE FILE: a JSON file of x and its square
[ -z "$GOLDEN_LOG" ] || echo "$1" >> "$GOLDEN_LOG"
awk '{printf "{\"values\": [%.17g, %.17g]}\n", $3, $3 * $3}' "$2" > out.json
