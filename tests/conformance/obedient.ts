/**
 * A workload that does what it is told, in the commands of the simulated guest
 * (docs/simulated.md), so that one list of behaviours is asked of all: first
 * those of the variable SIMULATE, then each line typed on the console.
 *
 * It says `kept N` once it listens, N being what its disk holds, and `cannot do`
 * when it cannot.
 */

export const OBEDIENT = `
b=/bin/busybox
leave_ms=0
exec 3<>/dev/console
pause() { $b usleep "\${1}000"; }
cannot() { echo "cannot do \\"$1\\": $2"; }
leave() {
  trap '' TERM
  [ "$leave_ms" = 0 ] || pause "$leave_ms"
  exit 0
}
kept() { $b cat /data/kept 2>/dev/null || echo 0; }
put() {
  echo "$1" 2>/dev/null | $b dd of=/data/kept.new conv=fsync 2>/dev/null &&
    $b mv /data/kept.new /data/kept && $b sync /data/kept && echo "put $1" ||
    cannot "put $1" "the disk does not take it"
}
# Writes so many MiB beside everything else: on a disk that fails, writers may
# hang for ever.
grow() {
  {
    why=$($b dd if=/dev/urandom of=/data/grown bs=1M count="$1" conv=fsync 2>&1) ||
      echo "$why" >/dev/shm/refused
  } &
}
# The first pages of process 1's code become nothing it could run.
spoil_init() {
  for at in $($b sed -n 's/-.* r-xp .*//p' /proc/1/maps); do
    $b dd if=/dev/zero of=/proc/1/mem bs=4096 seek=$((0x$at / 4096)) count=2 conv=notrunc 2>/dev/null
  done
  kill -TERM 1
}
obey() {
  word=\${1%% *}
  rest=\${1#"$word"}
  rest=\${rest# }
  case $word in
    '') ;;
    print) echo "$rest" ;;
    console) echo "$rest" >&3 ;;
    count) $b seq 1 "$rest" ;;
    sleep) pause "$rest" ;;
    exit) exit "$rest" ;;
    delay) leave_ms=\${rest#stop } ;;
    half) printf 'half a li'; exit 0 ;;
    kept) echo "kept $(kept)" ;;
    put) put "$rest" ;;
    grow) grow "$rest" ;;
    grown) [ ! -s /dev/shm/refused ] || cannot grow "$($b cat /dev/shm/refused)" ;;
    oom) exec $b tail /dev/zero ;;
    panic)
      case $rest in
        'Out of memory'*) echo 2 >/proc/sys/vm/panic_on_oom; exec $b tail /dev/zero ;;
        *) spoil_init ;;
      esac ;;
    *) cannot "$1" "there is no such command" ;;
  esac
}
trap leave TERM
echo "obeys in $($b hostname)"
echo "kept $(kept)"
script=$SIMULATE
while [ -n "$script" ]; do
  part=\${script%%;*}
  case $script in *\\;*) script=\${script#*;} ;; *) script= ;; esac
  obey "$part"
done
while :; do
  IFS= read -r line <&3 && obey "$line"
done
`;
