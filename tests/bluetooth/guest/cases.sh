#!/bin/sh
# What is tried in the guest. Sourced by init; prints "ok NAME" and "not ok NAME" on the console.
# One bluetoothd serves both controllers: hci0 is the device's, hci1 the person's computer's.
. /test/tools.sh

start_radio
case_of "BlueZ has two controllers that can advertise" until_true 10 sh -c \
  'gdbus call --system --dest org.bluez --object-path / --method org.freedesktop.DBus.ObjectManager.GetManagedObjects |
     grep -o org.bluez.LEAdvertisingManager1 | wc -l | grep -x 2'
echo "# done"
