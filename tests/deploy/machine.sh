#!/usr/bin/env bash
# machine.sh BASE SOURCE PACKAGES: boots this machine's own systemd as process 1 of namespaces of its own, on a copy of this machine's
# root file system that is forgotten afterwards, and without any of this machine's services. It ends when this process does.
#
# BASE (a Python's prefix), SOURCE (a checkout) and PACKAGES (a site-packages) are what /opt/mail-exporter/bin/mail-exporter runs
# with in there: not where they lie, which may be a home directory, but below /opt/mail-exporter. The network is this machine's.
set -euo pipefail

# Processes are grouped below a group of our own: cgroup2, or the name=systemd hierarchy where that is in use.
if [[ $(stat --file-system --format=%T /sys/fs/cgroup) == cgroup2fs ]]; then
  version=2 hierarchy=/sys/fs/cgroup
else
  version=1 hierarchy=/sys/fs/cgroup/systemd
fi

if [[ ${MACHINE_INSIDE:-} != 1 ]]; then
  mkdir "$hierarchy/mail-exporter-test-$$"
  echo $$ >"$hierarchy/mail-exporter-test-$$/cgroup.procs"
  MACHINE_INSIDE=1 exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child -- "$0" "$@"
fi

base=$1 source=$2 packages=$3

memory=/mnt
mount -t tmpfs tmpfs "$memory"
mkdir "$memory"/{upper,work,root}
root=$memory/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys" # the kernel's settings are the whole machine's
mount -t sysfs -o ro sysfs "$root/sys"
if [[ $version == 2 ]]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
for directory in run tmp dev; do
  mount -t tmpfs -o mode=755 tmpfs "$root/$directory"
done
chmod 1777 "$root/tmp"
cp --archive /dev/{null,zero,full,random,urandom,tty} "$root/dev"
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

# Nothing is mounted or started but what is asked for, and the journal, which leaves the kernel's audit alone.
: >"$root/etc/fstab"
ln -sf /dev/null "$root/etc/systemd/system/systemd-journald-audit.socket"
rm -rf "$root"/{etc,usr/lib}/systemd/system/*.{wants,requires}
mkdir "$root/usr/lib/systemd/system/sockets.target.wants"
ln -s ../systemd-journald.socket "$root/usr/lib/systemd/system/sockets.target.wants/"

home=/opt/mail-exporter
rm -rf "${root:?}$home"
mkdir -p "$root$home"/{bin,base,source,packages}
mount --bind "$base" "$root$home/base"
mount --bind "$source" "$root$home/source"
mount --bind "$packages" "$root$home/packages"
cat >"$root$home/bin/mail-exporter" <<RUN
#!/bin/sh
export PYTHONHOME=$home/base PYTHONPATH=$home/source:$home/packages LD_LIBRARY_PATH=$home/base/lib PYTHONDONTWRITEBYTECODE=1
exec $home/base/bin/python3 -P -m exporter "\$@"
RUN
chmod 755 "$root$home/bin/mail-exporter"

# Not by chroot: in one, systemd may not make the namespaces of users that PrivateUsers= asks for (user_namespaces(7)).
cd "$root"
mkdir -p mnt/before
pivot_root . mnt/before
umount --lazy /mnt/before
mount --make-rshared / # credentials are mounted by a child, and have to reach process 1
exec env --ignore-environment container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=basic.target --log-target=console --log-level=notice --show-status=no
