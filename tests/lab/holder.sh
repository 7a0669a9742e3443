#!/bin/sh
# Keeps one namespace of the lab alive, as its only long-lived process.
#
#   holder.sh FILES
#
# FILES holds hosts, resolv.conf, nsswitch.conf and perhaps passwd and group. The
# script gives the namespace a private /run (so that avahi-daemon and D-Bus of
# two hosts never meet), a /proc of its own, and those files; then it
# says "ready" and waits for the end of its standard input. When whoever built
# the lab dies, however it dies, the pipe closes and the namespace goes.
set -eu
files=$1

mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
# No search for a second owner of an IPv6 address: it ends a second after the
# link came up, and browsers drop their connections when addresses change.
for file in accept_dad accept_ra; do
  for scope in all default; do
    echo 0 > "/proc/sys/net/ipv6/conf/$scope/$file" 2>/dev/null || :
  done
done

# A desktop's sockets live in /run/user: a visible browser needs them.
if [ -d /run/user ]; then
  mkdir -p "$files/run-user"
  mount --rbind /run/user "$files/run-user"
fi
resolv=$(readlink -m /etc/resolv.conf)
mount -t tmpfs -o mode=755 lab-run /run
mkdir -p /run/user /run/avahi-daemon /run/dbus /run/lock
if [ -d "$files/run-user" ]; then
  mount --rbind "$files/run-user" /run/user
fi

# /etc/resolv.conf is often a link into /run, which is new and empty now.
mkdir -p "$(dirname "$resolv")"
[ -e "$resolv" ] || : > "$resolv"
mount --bind "$files/resolv.conf" "$resolv"
mount --bind "$files/hosts" /etc/hosts
mount --bind "$files/nsswitch.conf" /etc/nsswitch.conf
for name in passwd group; do
  [ ! -e "$files/$name" ] || mount --bind "$files/$name" "/etc/$name"
done

echo ready
while read -r _; do :; done
