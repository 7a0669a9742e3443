#!/bin/sh
# What is tried in the guest. Sourced by init; prints "ok NAME" and "not ok NAME" on the console.
# One bluetoothd serves both controllers: hci0 is the device's, hci1 the person's computer's.
. /test/tools.sh

SERVICE=33d73d63-efd6-49a9-a686-039471b586ae
device() { # COMMAND...
  command=$1
  shift
  latchkey-device "$command" --state /tmp/device "$@"
}
start_device() {
  mkdir -p /tmp/www
  echo "from home" > /tmp/www/index.html
  latchkey-device run --state /tmp/device --name Cache --serve /tmp/www --mdns off \
    --bluetooth --bluetooth-adapter hci0 >>/tmp/device.log 2>&1 &
}

# --- seen by BlueZ's own eyes ---

start_scan() {
  # Discovery lasts as long as whoever asked for it is on the bus.
  { printf 'select %s\nmenu scan\ntransport le\nduplicate-data on\nback\nscan on\n' "$(address_of 1)"; exec sleep 600; } |
    bluetoothctl >/tmp/scan.log 2>&1 &
  until_true 10 sh -c "gdbus call --system --dest org.bluez --object-path /org/bluez/hci1 \
    --method org.freedesktop.DBus.Properties.Get org.bluez.Adapter1 Discovering | grep true"
}
stop_scan() { killall bluetoothctl sleep 2>/dev/null; true; }
# What the computer's controller has of others, as text.
neighbours() { objects | grep -o "'/org/bluez/hci1/dev_.*"; }
seen() { neighbours | grep -q "'UUIDs': <\[[^]]*$SERVICE"; }
not_seen() { ! seen; }
rid() { neighbours | grep -o "ServiceData': <{'$SERVICE': <\[byte 0x[^]]*" | grep -o '\[.*'; }
another_rid() { now=$(rid) && [ -n "$now" ] && [ "$now" != "$1" ]; }
nameless() { neighbours | grep -q "'Address'" && ! neighbours | grep -q "'Name'\|Cache\|LocalName"; }
said() { grep -q "$1" /tmp/device.log; }

windows() {
  set -e
  start_scan
  sleep 5
  not_seen
  device open-window
  until_true 30 seen
  until_true 30 rid
  nameless
  first=$(rid)
  # Twelve bytes: 4 random ones, 8 of a MAC.
  [ "$(echo "$first" | tr ',' '\n' | wc -l)" = 12 ]
  device close-window
  until_true 30 not_seen
  device open-window
  until_true 30 another_rid "$first"
  device close-window
  until_true 30 not_seen
  stop_scan
}

daemon_comes_back() {
  set -e
  device open-window
  end_bluetoothd
  until_true 20 said "The Bluetooth service does not run"
  start_bluetoothd
  power 1 true
  start_scan
  until_true 30 seen
  device close-window
  until_true 30 not_seen
  stop_scan
}

helper_comes_back() {
  set -e
  killall -KILL latchkey-bluetooth
  until_true 20 said "it is started again"
  device open-window
  start_scan
  until_true 30 seen
  device close-window
  until_true 30 not_seen
  stop_scan
}

start_radio
start_device
case_of "Bluetooth is ready" until_true 20 said "Bluetooth is ready"
case_of "seen while the window is open, without a name, each time by another rid" windows
case_of "bluetoothd ends and comes back" daemon_comes_back
case_of "latchkey-bluetooth ends and is started again" helper_comes_back
echo "# done"
