#!/bin/sh
# Runs Cyrus' IMAP and POP3 servers in the foreground, unpacked into a folder; cyrus.py starts it in a mount and a
# process namespace of its own.
# usage: cyrus.sh ROOT HOME CHAIN KEY IMAP_PORT IMAPS_PORT POP3_PORT POP3S_PORT
set -e
# The first process of a namespace gets only those signals that it asks for.
trap 'exit 0' TERM
root=$1 home=$2 chain=$3 key=$4 imap=$5 imaps=$6 pop3=$7 pop3s=$8

mkdir -p "$root/work" "$home/config" "$home/spool"
# On this system /lib is a link to /usr/lib; what some packages have below it belongs there.
[ ! -d "$root/lib" ] || cp -a "$root/lib/." "$root/usr/lib/"
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$root/etc,workdir=$root/work" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/cyrus/socket /run/cyrus/lock /run/cyrus/proc

grep -q '^cyrus:' /etc/passwd || echo "cyrus:x:65533:8:Cyrus:$home:/bin/sh" >> /etc/passwd
cp "$chain" "$home/chain.pem"
cp "$key" "$home/key.pem"
cat > /etc/imapd.conf <<END
configdirectory: $home/config
defaultpartition: default
partition-default: $home/spool
idlesocket: /run/cyrus/socket/idle
notifysocket: /run/cyrus/socket/notify
lmtpsocket: /run/cyrus/socket/lmtp
mboxname_lockpath: /run/cyrus/lock
proc_path: /run/cyrus/proc
servername: mail.example.com
autocreate_quota: 1024
allowplaintext: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $home/sasldb2
tls_server_cert: $home/chain.pem
tls_server_key: $home/key.pem
popminpoll: 0
END
cat > /etc/cyrus.conf <<END
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd" listen="127.0.0.1:$imap" prefork=1
  imaps cmd="imapd -s" listen="127.0.0.1:$imaps" prefork=1
  pop3 cmd="pop3d" listen="127.0.0.1:$pop3" prefork=1
  pop3s cmd="pop3d -s" listen="127.0.0.1:$pop3s" prefork=1
}
EVENTS {
}
END
printf right | saslpasswd2 -c -p -f "$home/sasldb2" -u mail.example.com monitor
chown -R cyrus:mail "$home" /run/cyrus
/usr/lib/cyrus/bin/master -D -C /etc/imapd.conf -M /etc/cyrus.conf &
wait
