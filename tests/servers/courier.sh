#!/bin/sh
# Runs Courier's IMAP and POP3 servers in the foreground, unpacked into a folder; courier.py starts it in a mount
# and a process namespace of its own.
# usage: courier.sh ROOT HOME IMAP_PORT POP3_PORT [without-authdaemon]
set -e
# The first process of a namespace gets only those signals that it asks for.
trap 'exit 0' TERM
root=$1 home=$2 imap=$3 pop3=$4

mkdir -p "$root/work" "$home/Maildir/new" "$home/Maildir/cur" "$home/Maildir/tmp"
chown -R 65534:65534 "$home"
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$root/etc,workdir=$root/work" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/courier/authdaemon

sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/; s/^daemons=.*/daemons=2/' /etc/courier/authdaemonrc
umask 077
printf 'monitor\tuid=65534|gid=65534|home=%s|mail=%s/Maildir|systempw=%s\n' "$home" "$home" "$(openssl passwd -1 right)" \
  > /etc/courier/userdb
umask 022
makeuserdb

if [ "$5" != without-authdaemon ]; then
  (set -a; . /etc/courier/authdaemonrc; exec /usr/lib/courier/courier-authlib/authdaemond) &
fi
tcpd="/usr/sbin/couriertcpd -maxprocs=40 -maxperip=40 -nodnslookup"
# Debian 12's asks who its client is unless it is told not to; Debian 13's does not, and does not know the option.
if grep -q noidentlookup /usr/sbin/couriertcpd; then tcpd="$tcpd -noidentlookup"; fi
(set -a; . /etc/courier/pop3d; exec $tcpd -address=127.0.0.1 "$pop3" \
  /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir) &
(set -a; . /etc/courier/imapd; exec $tcpd -address=127.0.0.1 "$imap" \
  /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir) &
wait
