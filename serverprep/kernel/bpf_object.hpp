// Internal to the filters: one of our programs, with maps that hold what a Filter says, in the kernel but not attached.
#pragma once

#include <cstdint>
#include <memory>

#include "common/sys/error.hpp"
#include "serverprep/filter.hpp"

struct bpf_object;

namespace dsr::serverprep {

class BpfObject {
public:
    // `link_header`: bytes before the IP header. `counters`: a map's descriptor to count in, or -1 for a new one.
    static Result<BpfObject> load(const Filter& filter, std::uint32_t link_header, int counters);

    [[nodiscard]] int program() const;  // descriptor; the kernel keeps an attached program when this closes

private:
    struct Close {
        void operator()(bpf_object* object) const;
    };
    explicit BpfObject(bpf_object* object) : object_(object) {}
    std::unique_ptr<bpf_object, Close> object_;
};

}  // namespace dsr::serverprep
