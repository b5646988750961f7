#!/bin/sh
# Makes this host a Direct Server Return pool server again when an interface it needs comes up.
# Written by 'serverprep --persist'. To remove: 'serverprep --remove'.

[ "${MODE:-}" = start ] && [ "${ADDRFAM:-}" = inet ] || exit 0
case "${IFACE:-}" in
@INTERFACES@) ;;
*) exit 0 ;;
esac
[ -x @EXECUTABLE@ ] || exit 0
# A failure is said on standard error; it must not make ifup give the interface up.
@EXECUTABLE@ --restore --quiet || exit 0
