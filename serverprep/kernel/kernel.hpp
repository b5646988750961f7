// What serverprep asks of the kernel and tells it: the one seam between its decisions and the machine. Unit tests put a
// kernel of their own here.
#pragma once

#include <optional>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"
#include "serverprep/setting.hpp"

namespace dsr::serverprep {

class Kernel {
public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    virtual ~Kernel() = default;

    virtual Result<std::vector<netlink::Link>> links() = 0;
    virtual Result<std::vector<netlink::Address>> addresses() = 0;
    virtual Result<std::vector<netlink::Route>> routes() = 0;
    // The index of the link through which packets to this address leave; nothing when there is no route.
    virtual std::optional<int> link_towards(wire::Ipv4Address destination) = 0;
    virtual Result<std::uint32_t> read(const Setting& setting) = 0;

    virtual Result<void> write(const Setting& setting, std::uint32_t value) = 0;
    virtual Result<void> add(const netlink::Address& address) = 0;
    virtual Result<void> remove(const netlink::Address& address) = 0;
};

}  // namespace dsr::serverprep
