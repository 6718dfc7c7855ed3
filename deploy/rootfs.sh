#!/bin/sh
# What the container's file system holds: the program, the libraries that it is linked with, a user, and where data goes.
#
#   sh deploy/rootfs.sh target/release/nigh /tmp/rootfs
#
# There is no shell, no package and no other program in it. glibc resolves names by files and DNS itself.
set -eu
program=$1 root=$2
mkdir -p "$root/usr/bin" "$root/etc" "$root/data" "$root/tmp"
strip -s -o "$root/usr/bin/nigh" "$program" 2>/dev/null || cp "$program" "$root/usr/bin/nigh"
chmod 755 "$root/usr/bin/nigh"
# Every library under the name and the place where the program looks for it; the links are followed.
ldd "$program" | grep -o '/[^ )]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
echo 'nigh:x:1000:1000::/data:/usr/bin/nigh' >"$root/etc/passwd"
echo 'nigh:x:1000:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
chown -R 1000:1000 "$root/data" 2>/dev/null || true
