# Writes numbered lines as a worker of Ray does, with a rotation every 20,000, and 2,000
# more when it is told to end. It tells how many it wrote.
logs=/tmp/ray/$SESSION/logs
file=$logs/worker-0123456789abcdef0123456789abcdef0123456789abcdef01234567-01000000-$(printf %d $$).out
[ "$POD_NAME" = shared-two ] && file=$logs/worker-fedcba9876543210fedcba9876543210fedcba9876543210fedcba98-01000000-2.out
mkdir -p $logs
n=0
ending=
trap 'ending=1' TERM
say() {
  i=0
  while [ $i -lt $1 ]; do
    echo "line $n of $POD_NAME."
    n=$((n + 1))
    i=$((i + 1))
  done
}
while [ -z "$ending" ]; do
  say 200 >>$file
  if [ $((n % 20000)) = 0 ]; then
    [ -e $file.1 ] && mv $file.1 $file.2
    mv $file $file.1
  fi
  echo "wrote $n"
  sleep 0.1
done
say 2000 >>$file
echo "wrote $n"
