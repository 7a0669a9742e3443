# shellcheck shell=sh
# What the cases are made of.
only=$(sed -n 's/.*only=\([^ ]*\).*/\1/p' /proc/cmdline | tr _ ' ')

ip() { /usr/sbin/ip "$@"; }

# Waits until a command succeeds, at most so many seconds.
until_true() { # SECONDS COMMAND...
  end=$(($(date +%s) + $1))
  shift
  while ! "$@" >/tmp/until 2>&1; do
    [ "$(date +%s)" -lt "$end" ] || { cat /tmp/until; return 1; }
    sleep 1  # costs nothing where the guest's time is what it computes; asking more often would
  done
}
show() { sed 's|^|    |'; }
# A case fails with the first command in it that does. Not as a condition: a shell does not look at
# what fails inside of one.
case_of() { # NAME COMMAND...
  name=$1
  shift
  case "$name" in *"$only"*) ;; *) return 0 ;; esac
  (set -ex; "$@") >/tmp/case 2>&1 &
  running=$!
  # One that hangs says what it waits for, before the whole guest is ended.
  (sleep 120; echo "it took too long" >>/tmp/case; kill -KILL "$running") 2>/dev/null &
  watching=$!
  result=0
  wait "$running" || result=$?
  kill "$watching" 2>/dev/null
  if [ "$result" = 0 ]; then
    echo "ok $name"
  else
    echo "not ok $name"
    grep -v '^+ date\|^+ sleep 1\|^+ .* -lt ' /tmp/case | uniq | tail -n 60 | show
    for log in /tmp/*.log; do
      echo "    --- $log"
      tail -n 40 "$log" | show
      echo  # it may end without a new line
    done
  fi
}

bluez() { gdbus call --system --dest org.bluez "$@"; }
objects() { bluez --object-path / --method org.freedesktop.DBus.ObjectManager.GetManagedObjects; }
property() { # PATH INTERFACE NAME
  bluez --object-path "$1" --method org.freedesktop.DBus.Properties.Get "$2" "$3"
}
is() { property "/org/bluez/hci$1" "org.bluez.$2" "$3" | grep "$4"; } # CONTROLLER INTERFACE NAME VALUE
address_of() { property "/org/bluez/hci$1" org.bluez.Adapter1 Address | sed "s/.*'\(.*\)'.*/\1/"; }
power() { # CONTROLLER true|false
  bluez --object-path "/org/bluez/hci$1" --method org.freedesktop.DBus.Properties.Set org.bluez.Adapter1 Powered "<$2>"
}

start_bluetoothd() {
  /usr/libexec/bluetooth/bluetoothd --nodetach --configfile=/etc/bluetooth.conf >>/tmp/bluetoothd.log 2>&1 &
  bluetoothd=$!
  until_true 20 property /org/bluez/hci0 org.bluez.Adapter1 Address
  until_true 20 property /org/bluez/hci1 org.bluez.Adapter1 Address
}
end_bluetoothd() {
  kill -KILL "$bluetoothd"
  wait "$bluetoothd" 2>/dev/null || true
}
start_radio() {
  dbus-daemon --config-file=/usr/share/dbus-1/system.conf --nofork --nopidfile >/tmp/bus.log 2>&1 &
  until_true 10 test -S /run/dbus/system_bus_socket
  btvirt -l2 >/tmp/btvirt.log 2>&1 &
  until_true 20 test -d /sys/class/bluetooth/hci1
  start_bluetoothd
  power 1 true >/dev/null
}
