#!/usr/bin/env bash
# Runs inside the minimal Debian of scripts/test_packages, as root; /packages holds the .debs.
# Closes with `N passed, N failed`.
set -uo pipefail

passed=0 failed=0
ok() { passed=$((passed + 1)); printf 'ok    %s\n' "$1"; }
bad() { failed=$((failed + 1)); printf 'FAIL  %s\n' "$1"; }
# check TEXT COMMAND...: the command must succeed; what it says is shown when it does not.
check() {
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then ok "$text"; else bad "$text"; printf '%s\n' "$said" | sed 's/^/        /'; fi
}
not() { ! "$@"; }
same() { [ "$1" = "$2" ] || { printf 'is: %s\nnot: %s\n' "$1" "$2"; return 1; }; }
quietly() { "$@" > /tmp/log 2>&1 || { tail -n 30 /tmp/log; exit 1; }; }
apt() { apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@"; }
# Everything there is, but what package tools keep for themselves.
everything() {
  find / -xdev \( -path /packages -o -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
    -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/lib/apt -o -path /var/log \
    -o -path /etc/ld.so.cache \) -prune -o -print | sort
}
until_true() {  # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.2; done
}

printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
# Minimal systems are told to leave manuals out.
rm -f /etc/dpkg/dpkg.cfg.d/docker*
echo "== tools and dependencies"
quietly apt-get -q update
quietly apt install man-db bash-completion openssl systemd libnss3-tools
mapfile -t needs < <(apt-get -s --no-install-recommends install /packages/*.deb |
  awk '/^Inst / && $2 !~ /^latchkey/ {print $2}')
check "apt finds what they depend on (${#needs[@]} packages)" test ${#needs[@]} -gt 5
quietly apt install "${needs[@]}"
useradd -m -s /bin/bash person
home=$(getent passwd person | cut -d: -f6)
everything > /tmp/before

echo "== installing"
check "apt installs the three" apt install /packages/*.deb
for program in latchkey latchkey-agent latchkey-device latchkey-media-cache latchkey-provider latchkey-maker; do
  check "$program --version" "$program" --version
  check "$program --help" "$program" --help
  check "$program has its bash completion" bash -c \
    ". /usr/share/bash-completion/bash_completion; _completion_loader $program; complete -p $program"
done
check "only the browser may start the native host" not latchkey-native-host </dev/null
check "no library is missing" not sh -c 'ldd /usr/bin/latchkey* | grep "not found"'
# They are opened when they are needed; nothing else would notice that they are missing.
for library in libavahi-client.so.3 libavahi-core.so.7; do
  check "$library can be opened" sh -c "ldconfig -p | grep -q $library"
done
for page in latchkey.1 latchkey-agent.1 latchkey-native-host.1 latchkey-maker.1 latchkey-device.8 latchkey-media-cache.8 latchkey-provider.8; do
  check "man ${page%.*}" sh -c "said=\$(man --warnings -Tutf8 -Z ${page##*.} ${page%.*} 2>&1 >/dev/null) && [ -z \"\$said\" ]"
done
for unit in /lib/systemd/system/latchkey-*.service; do
  check "systemd understands $(basename "$unit")" systemd-analyze verify "$unit"
done
check "systemd understands the user's latchkey-agent.service" \
  env XDG_RUNTIME_DIR=/run systemd-analyze --user verify /usr/lib/systemd/user/latchkey-agent.service
check "nothing is switched on by installing" not sh -c 'find /etc/systemd -name "latchkey*" | grep .'
for manifest in /etc/chromium/native-messaging-hosts/org.latchkey.agent.json \
  /usr/lib/mozilla/native-messaging-hosts/org.latchkey.agent.json; do
  check "$manifest names a program that is there" \
    sh -c "test -x \"\$(sed -n 's/.*\"path\": \"\\(.*\\)\".*/\\1/p' $manifest)\""
done
check "Chromium finds the extension" test -f /usr/share/chromium/extensions/latchkey/manifest.json

echo "== the device, as its unit says"
check "it has a user and a folder of its own" same "$(stat -c '%U %G %a' /var/lib/latchkey-device)" \
  "latchkey-device latchkey-device 700"
check "the media cache has one, too, that the device may empty" \
  same "$(stat -c '%U %G %a' /var/lib/latchkey-media-cache)" "latchkey-media-cache latchkey-media-cache 770"
check "the device's user is in that group" sh -c 'id -nG latchkey-device | grep -qw latchkey-media-cache'
read -ra cache_start < <(sed -n 's/^ExecStart=//p' /lib/systemd/system/latchkey-media-cache.service)
install -d -o latchkey-media-cache -g latchkey-media-cache -m 750 /run/latchkey-media-cache
setpriv --reuid latchkey-media-cache --regid latchkey-media-cache --clear-groups --no-new-privs --bounding-set=-all \
  sh -c 'umask 077; exec "$@"' -- "${cache_start[@]}" > /tmp/cache.log 2>&1 &
cache=$!
check "the media cache starts" until_true 20 test -S /run/latchkey-media-cache/media.sock
sh -c 'echo a film > /var/lib/latchkey-media-cache/objects/film'
read -ra start < <(sed -n 's/^ExecStart=//p' /lib/systemd/system/latchkey-device.service)
sed -i 's/^upstream/# upstream/; s|^# serve = .*|serve = "/usr/share/doc"|; s/^# mdns = .*/mdns = "off"/' /etc/latchkey/device.conf
given=$(sed -n 's/^AmbientCapabilities=CAP_//p' /lib/systemd/system/latchkey-device.service | tr '[:upper:]' '[:lower:]')
check "its one right is to listen on 443" same "$given" net_bind_service
caps="-all,+$given"
setpriv --reuid latchkey-device --regid latchkey-device --init-groups --no-new-privs --inh-caps="$caps" \
  --ambient-caps="$caps" --bounding-set="$caps" sh -c 'umask 077; exec "$@"' -- "${start[@]}" > /tmp/device.log 2>&1 &
device=$!
check "it starts, where addresses need no port" until_true 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/443'
check "its commands reach it" until_true 20 latchkey-device status --json --state /var/lib/latchkey-device
check "it opens a pairing window" sh -c 'latchkey-device open-window --json | grep -q code'
check "it keeps what it knows to itself" same "$(find /var/lib/latchkey-device -perm /077 ! -type l ! -type s)" ""
check "a factory reset goes through" latchkey-device factory-reset --yes
check "the film in the media cache is gone" not grep -rq "a film" /var/lib/latchkey-media-cache
check "the media cache begins anew" until_true 20 test -s /var/lib/latchkey-media-cache/index.db
kill "$cache"
wait "$cache"
check "the device goes on" until_true 20 latchkey-device status --json --state /var/lib/latchkey-device
kill "$device"
check "it ends when told" sh -c "tail --pid=$device -f /dev/null"
wait "$device"

echo "== the provider, as its README says"
for step in init "key root new" "key new" ; do
  # shellcheck disable=SC2086
  check "latchkey-provider $step" setpriv --reuid latchkey-provider --regid latchkey-provider --clear-groups \
    env HOME=/nonexistent latchkey-provider $step
done

echo "== a person"
check "the command line starts the agent" su person -c 'latchkey grants --json'
check "set-up says what it did" su person -c 'mkdir -p ~/.config/chromium && latchkey setup --json'
check "the trust is there" su person -c 'certutil -d sql:$HOME/.pki/nssdb -L | grep -q "^Latchkey .*C,," && test -f ~/.pki/nssdb/cert9.db && test -f ~/.config/chromium/NativeMessagingHosts/org.latchkey.agent.json'

echo "== leaving"
apt remove latchkey latchkey-device latchkey-provider > /tmp/removed 2>&1 || bad "apt remove"
check "removing says that browsers still have what setup did" grep -q 'latchkey setup --undo' /tmp/removed
check "removing keeps what was configured" grep -q '^serve = "/usr/share/doc"' /etc/latchkey/device.conf
check "removing keeps the device's keys" test -s /var/lib/latchkey-device/device.db
check "installing again" apt install /packages/*.deb
check "the configuration is still the edited one" grep -q '^serve = "/usr/share/doc"' /etc/latchkey/device.conf
check "set-up can be taken back" su person -c 'latchkey setup --undo --json'
check "the browser trusts nothing of ours any more" su person -c \
  'said=$(certutil -d sql:$HOME/.pki/nssdb -L) && [ -n "$said" ] && ! printf %s "$said" | grep -i latchkey'
check "the native host is gone from the browser" su person -c 'test ! -e ~/.config/chromium/NativeMessagingHosts/org.latchkey.agent.json'
# The agents that ran for the person end with the session; here by hand.
for process in /proc/[0-9]*; do
  [ "$(readlink "$process/exe")" != /usr/bin/latchkey-agent ] || kill "${process#/proc/}"
done
check "apt purges the three" sh -c "apt-get -q -y purge latchkey latchkey-device latchkey-provider > /tmp/purged 2>&1"
check "purging says that the provider's keys stay" grep -q 'signing keys in /var/lib/latchkey-provider are kept' /tmp/purged
check "they do" test -s /var/lib/latchkey-provider/provider.db
rm -r /var/lib/latchkey-provider
check "a person's own keys stay" test -s "$home/.local/state/latchkey/agent.db"
rm -r "$home/.local" "$home/.pki" "$home/.config"
everything > /tmp/after
left=$(comm -13 /tmp/before /tmp/after)
gone=$(comm -23 /tmp/before /tmp/after)
check "nothing of ours is left" same "$left" ""
check "nothing else has gone" same "$gone" ""
check "nor a package, nor its configuration" same "$(dpkg-query -W -f '${Package} ${Status}\n' 'latchkey*' 2>/dev/null | grep -v 'not-installed')" ""

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
