# shellcheck shell=bash disable=SC2154
# A minimal Debian 12 in a folder, for the scripts that try things on a system that has nothing else:
# debootstrap makes it once ($fresh/base.tar.zst is kept). Whoever reads this file has set `fresh` (a
# folder for what is kept), `base` ($fresh/base.tar.zst) and `root` (where the system is laid out), and has
# say() and die().

# One file each of what apt here was told: Debian's own mirrors, and how to reach them.
debian_sources() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep ' bookworm' | sort -u
}
apt_settings() { apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' || true; }

make_base() {
  local mirror work=$fresh/base.$$
  mirror=$(debian_sources | awk '$2 == "bookworm" {print $1; exit}')
  say "making a minimal Debian 12 (once; kept in build/fresh)"
  rm -rf "$work"
  # shellcheck disable=SC2086
  debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$work" ${mirror:-} > "$fresh/debootstrap.log" ||
    { tail -n 20 "$fresh/debootstrap.log"; die "debootstrap failed; whole log: build/fresh/debootstrap.log"; }
  rm -f "$work"/var/cache/apt/archives/*.deb
  tar -C "$work" --zstd -cf "$base.tmp" .
  mv "$base.tmp" "$base"
  rm -rf "$work"
}

# The base, laid out at $root, with this machine's mirrors, proxies and certificates.
lay_out_base() {
  rm -rf "$root"
  mkdir -p "$root" "$fresh/archives"
  tar -C "$root" --zstd -xf "$base"

  debian_sources | sed 's/^/deb /' > "$root/etc/apt/sources.list"
  [ -s "$root/etc/apt/sources.list" ] || die "apt here knows no Debian 12 mirror (run apt-get update once)"
  apt_settings > "$root/etc/apt/apt.conf.d/90fresh"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  # A proxy that reads TLS has a CA of its own.
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
  fi
}
