# cmake -DOBJECT=file -DNAME=decapsulate -DOUTPUT=source.cpp -P embed.cmake
# An array and not .incbin: ccache does not keep what has that.
file(READ ${OBJECT} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "// Generated from ${NAME}.bpf.c.
#include \"serverprep/bpf/objects.hpp\"

namespace dsr::serverprep {
namespace {
// Aligned as an ELF file in memory has to be.
alignas(8) constexpr unsigned char kBytes[] = {
${bytes}
};
}  // namespace

std::span<const unsigned char> bpf_${NAME}() {
    return kBytes;
}

}  // namespace dsr::serverprep
")
