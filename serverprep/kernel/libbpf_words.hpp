// Why a call into libbpf failed, in a sentence. While one exists, and after, libbpf prints nothing.
#pragma once

#include <string>

namespace dsr::serverprep {

class LibbpfWords {
public:
    LibbpfWords();  // forgets what libbpf said before

    // `error` is an errno, of either sign.
    [[nodiscard]] std::string why(int error) const;
};

}  // namespace dsr::serverprep
