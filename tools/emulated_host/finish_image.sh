#!/bin/sh
# The last step of making the emulated host's image, by mmdebstrap's hook: `finish_image.sh ROOT RECIPE OUT`.
# ROOT is the installed system; RECIPE the folder this lies in; OUT holds empty files `kernel`, `initrd` and `disk`, writable
# for whoever this runs as.
set -eu
root=$1 recipe=$2 out=$3
version=$(ls "$root/lib/modules")
modules=$root/lib/modules/$version/kernel
cat "$root/boot/vmlinuz-$version" >"$out/kernel"
mkdir "$root/share" "$root/control"

# What is needed to find the disk and the folders: Debian's own initrd is slow to unpack under emulation.
initrd=$(mktemp -d)
tree=$(mktemp -d)
trap 'rm -rf "$initrd"; rmdir "$tree"' EXIT
mkdir "$initrd/bin" "$initrd/modules" "$initrd/root"
cp "$root/bin/busybox" "$initrd/bin/busybox"
cp "$recipe/initrd.sh" "$initrd/init"
chmod 755 "$initrd/init"
for name in virtio_pci virtio_blk ext4 9p 9pnet_virtio; do
	chroot "$root" modprobe --set-version "$version" --show-depends "$name"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
	cp "$root$module" "$initrd/modules/"
	echo "${module##*/}" >>"$initrd/modules/order"
done
(cd "$initrd" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out/initrd"

# No such hardware is in there.
for folder in sound drivers/gpu drivers/media drivers/usb drivers/infiniband drivers/scsi drivers/net/ethernet \
	drivers/net/wireless drivers/iio drivers/staging drivers/isdn drivers/input; do
	rm -rf "${modules:?}/$folder"
done
chroot "$root" depmod "$version"
rm -rf "$root"/boot/* "$root"/var/cache/* "$root"/var/lib/apt/lists/*
# Without /proc and the like, which are mounted on it now.
mount --bind "$root" "$tree"
mke2fs -q -F -t ext4 -O ^has_journal -d "$tree" "$out/disk" 3G
umount "$tree"
