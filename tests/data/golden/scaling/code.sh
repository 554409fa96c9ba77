# usage: sh code.sh PROBLEM THREADS: some steps, the fewer the more threads
[ -z "$GOLDEN_LOG" ] || echo "$1 $2" >> "$GOLDEN_LOG"
case $1 in small) n=20000 ;; *) n=60000 ;; esac
awk -v n="$n" -v p="$2" 'BEGIN {for (i = 0; i < n / p; i++) s += i; print "steps = " i}'
