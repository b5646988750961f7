// What a configured `device` is, as its text alone tells. Needs no DPDK.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"

namespace dsr::lb {

// A virtual device's driver.
struct VdevKind {
    std::string_view name;  // "net_af_packet"
    // Its frames come from a kernel that leaves work to the network card: unfinished checksums, super-frames.
    bool software_offloads;
    // The kernel's interface that it is told by `iface=` keeps working, and the kernel sees every frame as well.
    bool shared_with_kernel;
};

// Those that lb runs on.
const std::vector<VdevKind>& vdev_kinds();

struct DpdkDevice {
    std::string name;          // DPDK's of the port: "0000:03:00.0", "net_af_packet0"
    std::string arguments;     // behind the name, without the comma
    const VdevKind* kind{};    // null: a PCI device
    std::string kernel_iface;  // the kernel's interface that it works on, from `iface=`; empty: none

    [[nodiscard]] bool pci() const { return kind == nullptr; }
    [[nodiscard]] std::string devargs() const { return arguments.empty() ? name : name + "," + arguments; }
    // The value of `key=` among the arguments; empty when it is not there.
    [[nodiscard]] std::string argument(std::string_view key) const;
};

// "0000:03:00.0" or "03:00.0", "net_memif0,role=client,…". The error says what there is.
Result<DpdkDevice> parse_device(const std::string& text);

// The names of vdev_kinds(), in one line for messages.
std::string vdev_names();

// An argument that lb cannot do without is missing.
Result<void> check_arguments(const DpdkDevice& device);

// Adds what lb needs and the operator has not said: frames of net_af_packet may be nearly as large as the kernel joins
// them (60 KiB).
void complete_arguments(DpdkDevice& device);

// Bytes that a packet buffer of this device must hold: a frame of `mtu` bytes with its link header and two VLAN tags,
// or more where the kernel may hand over super-frames.
std::uint32_t largest_frame(const DpdkDevice& device, std::uint32_t mtu);

}  // namespace dsr::lb
