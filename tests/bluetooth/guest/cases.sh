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
# The device has a network of its own, and a cable to the person's computer that is not plugged in.
start_device() {
  mkdir -p /tmp/www
  echo "from home" > /tmp/www/index.html
  ip netns add device
  ip link add home type veth peer name cable
  ip link set cable netns device
  ip addr add 192.168.77.1/24 dev home
  ip netns exec device ip addr add 192.168.77.2/24 dev cable
  ip netns exec device ip link set lo up
  ip netns exec device latchkey-device run --state /tmp/device --name Cache --serve /tmp/www --port 8443 \
    --mdns builtin --bluetooth --bluetooth-adapter hci0 >>/tmp/device.log 2>&1 &
}
cable() { # up|down
  ip link set home "$1"
  ip netns exec device ip link set cable "$1"
}
start_agent() {
  mkdir -p /tmp/house/run
  chmod 700 /tmp/house /tmp/house/run
  export HOME=/tmp/house XDG_RUNTIME_DIR=/tmp/house/run LATCHKEY_LOG=debug
  latchkey-agent run --socket /tmp/house/run/agent/socket --state /tmp/house/state --keys file --mdns builtin \
    --bluetooth-adapter hci1 >/tmp/agent.log 2>&1 &
  until_true 20 test -S /tmp/house/run/agent/socket
}
person() { latchkey "$@" --socket /tmp/house/run/agent/socket; }

# --- seen by BlueZ's own eyes ---

start_scan() {
  # Discovery lasts as long as whoever asked for it is on the bus.
  { printf 'select %s\nmenu scan\ntransport le\nduplicate-data on\nback\nscan on\n' "$(address_of 1)"; exec sleep 600; } |
    bluetoothctl >/tmp/scan.log 2>&1 &
  until_true 10 is 1 Adapter1 Discovering true
}
stop_scan() {
  killall bluetoothctl 2>/dev/null || true
  until_true 20 is 1 Adapter1 Discovering false
}
# The emulator's controllers report an advertisement when it begins and when a scan begins, not
# again and again: what went is seen by forgetting, and looking anew. The device's own BlueZ must
# say the same.
silent() {
  until_true 20 is 0 LEAdvertisingManager1 ActiveInstances 0x00
  stop_scan
  neighbours | grep -o "/org/bluez/hci1/dev_[0-9A-F_]*'" | tr -d "'" | sort -u | while read -r one; do
    bluez --object-path /org/bluez/hci1 --method org.bluez.Adapter1.RemoveDevice "$one"
  done
  start_scan
  sleep 4
  not_seen
}
# What the computer's controller has of others, as text.
neighbours() { objects | grep -o "'/org/bluez/hci1/dev_.*"; }
seen() { neighbours | grep -q "'UUIDs': <\[[^]]*$SERVICE"; }
not_seen() { ! seen; }
rid() { neighbours | grep -o "ServiceData': <{'$SERVICE': <\[byte 0x[^]]*" | grep -o '\[.*'; }
another_rid() { now=$(rid) && [ -n "$now" ] && [ "$now" != "$1" ]; }
nameless() { neighbours | grep -q "'Address'" && ! neighbours | grep -q "'Name'\|Cache\|LocalName"; }
said() { grep -q "$1" /tmp/device.log; }

windows() {
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
  silent
  device open-window
  until_true 30 another_rid "$first"
  device close-window
  silent
  stop_scan
}

daemon_comes_back() {
  device open-window
  end_bluetoothd
  until_true 20 said "The Bluetooth service does not run"
  start_bluetoothd
  power 1 true
  start_scan
  until_true 30 seen
  device close-window
  silent
  stop_scan
}

helper_comes_back() {
  killall -KILL latchkey-bluetooth
  until_true 20 said "it is started again"
  device open-window
  start_scan
  until_true 30 seen
  device close-window
  silent
  stop_scan
}

# --- paired with over the air ---

open_window() { # prints the code
  # On a busy machine the device may say that it is too busy.
  until_true 60 device open-window --json >&2
  grep -o '"code": *"[0-9]*"' /tmp/until | grep -o '[0-9]*'
  until_true 30 is 0 LEAdvertisingManager1 ActiveInstances 0x02 >&2
}
close_window() {
  device close-window
  until_true 30 is 0 LEAdvertisingManager1 ActiveInstances 0x00
}
near() { # SECONDS
  person devices --nearby --timeout "$1" >/tmp/list.log 2>/tmp/near.log
  cat /tmp/list.log
}
near_is() { near 4 | grep "$1"; } # WHAT
# Nobody is connected to the device, by its own BlueZ's word.
alone() { ! objects | grep -o "'/org/bluez/hci0/dev_[^}]*" | grep "'Connected': <true>"; }

listed() {
  near_is "No device was found"
  open_window
  until_true 40 near_is "nearby.*waiting for a code"
  # Not found in the network: there is none.
  person devices --timeout 3 | grep "No device was found"
  close_window
  near 6 | grep "No device was found"
}

wrong_code() {
  code=$(open_window)
  wrong=$(printf '%08d' $(((1$code + 1) % 100000000)))
  result=0
  person add --nearby --timeout 30 --type media-cache --code "$wrong" >/tmp/add.log 2>&1 || result=$?
  [ "$result" = 1 ]
  grep "4 tries left" /tmp/add.log
  device audit | grep "a wrong code was tried"
  device status | grep "Nobody is paired yet"
  until_true 20 alone
  # It may be tried again, and is given up without a code.
  result=0
  person add --nearby --timeout 30 --type media-cache </dev/null >/tmp/add.log 2>&1 || result=$?
  [ "$result" = 2 ]
  until_true 20 alone
  close_window
}

# The device comes into the network when it is paired, as one that got a Wi-Fi password would.
enrol() {
  code=$(open_window)
  person grant --origin https://video.example --type media-cache --nearby --timeout 30 --code "$code" --json \
    >/tmp/grant.json 2>/tmp/grant.log &
  granting=$!
  until_true 60 said "paired; "
  cable up
  wait "$granting"
  url=$(grep -o 'https://[a-z0-9-]*\.local:8443' /tmp/grant.json | head -n 1)
  host=${url#https://}
  device status | grep "${host%:8443}  https://video.example  active"
  # What the device has is what was issued: the agent believes no other certificate at that name.
  person fetch --origin https://video.example --resolve 192.168.77.2:8443 "$url/index.html" >/tmp/fetched.log
  grep "from home" /tmp/fetched.log
  until_true 20 alone
  close_window
}

# In the network and nearby: one device, and known.
one_device() {
  open_window
  until_true 40 near_is yours
  # Found both ways now or not: it is never two.
  near 6
  [ "$(grep -c "media-cache\|nearby" /tmp/list.log)" = 1 ]
  close_window
}

start_radio
start_device
case_of "Bluetooth is ready" until_true 30 said "Bluetooth is ready"
start_agent
case_of "seen while the window is open, without a name, each time by another rid" windows
case_of "the agent lists it where there is no network, and only while the window is open" listed
case_of "a wrong code over the air costs an attempt and gives nothing" wrong_code
case_of "enrolled over the air, then used over the network" enrol
case_of "found in the network and nearby it is one device" one_device
case_of "bluetoothd ends and comes back" daemon_comes_back
case_of "latchkey-bluetooth ends and is started again" helper_comes_back
echo "# done"
