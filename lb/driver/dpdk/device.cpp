#include "lb/driver/dpdk/device.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace dsr::lb {
namespace {

// The largest frame of the kernel's ring that DPDK takes: whole pages, for its driver wants blocks without a rest, and
// less than a packet buffer's 16 bits of length. TCP super-frames may be up to 64 KiB: the last 4 KiB of them do not
// fit.
constexpr std::uint32_t kPacketRingFrame = 15 * 4096;
constexpr std::uint32_t kPacketRingHeader = 32;  // of the kernel, in each frame of the ring
constexpr std::uint32_t kLinkHeader = 14 + 2 * 4;

bool hex(std::string_view text, std::size_t digits) {
    return text.size() == digits && std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// BB:DD.F
bool is_slot(std::string_view text) {
    return text.size() == 7 && hex(text.substr(0, 2), 2) && text[2] == ':' && hex(text.substr(3, 2), 2) &&
           text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

bool is_pci_address(std::string_view text) {
    if (is_slot(text)) return true;
    return text.size() == 12 && hex(text.substr(0, 4), 4) && text[4] == ':' && is_slot(text.substr(5));
}

// The name without its number; "eth_" is an older name of "net_".
std::string kind_name(std::string_view name) {
    while (!name.empty() && std::isdigit(static_cast<unsigned char>(name.back())) != 0)
        name.remove_suffix(1);
    if (name.starts_with("eth_")) return "net_" + std::string(name.substr(4));
    if (name == "virtio_user") return "net_virtio_user";
    return std::string(name);
}

}  // namespace

const std::vector<VdevKind>& vdev_kinds() {
    static const std::vector<VdevKind> kinds{
        {"net_af_packet", true, true},    {"net_af_xdp", true, false}, {"net_memif", false, false},
        {"net_virtio_user", true, false}, {"net_vhost", true, false},  {"net_tap", true, false},
        {"net_ring", false, false},       {"net_null", false, false},  {"net_pcap", true, true},
    };
    return kinds;
}

std::string DpdkDevice::argument(std::string_view key) const {
    std::string_view rest = arguments;
    while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        if (one.starts_with(key) && one.size() > key.size() && one[key.size()] == '=')
            return std::string(one.substr(key.size() + 1));
    }
    return {};
}

Result<DpdkDevice> parse_device(const std::string& text) {
    DpdkDevice device;
    const auto comma = text.find(',');
    device.name = text.substr(0, comma);
    if (comma != std::string::npos) device.arguments = text.substr(comma + 1);
    if (is_pci_address(device.name)) {
        std::ranges::transform(device.name, device.name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (is_slot(device.name)) device.name = "0000:" + device.name;
        return device;
    }
    const auto kind = std::ranges::find(vdev_kinds(), kind_name(device.name), &VdevKind::name);
    if (kind == vdev_kinds().end())
        return fail("device '" + text + "' is neither a PCI address such as 0000:03:00.0 nor a virtual device: " +
                    vdev_names() + ", each with a number, such as net_af_packet0,iface=eth0");
    device.kind = &*kind;
    if (kind->name == "net_af_packet" || kind->name == "net_af_xdp" || kind->name == "net_pcap")
        device.kernel_iface = device.argument("iface");
    return device;
}

std::string vdev_names() {
    std::string names;
    for (const VdevKind& kind : vdev_kinds())
        names += (names.empty() ? "" : ", ") + std::string(kind.name);
    return names;
}

Result<void> check_arguments(const DpdkDevice& device) {
    if (device.pci() || (device.kind->name != "net_af_packet" && device.kind->name != "net_af_xdp")) return {};
    if (!device.kernel_iface.empty()) return {};
    return fail("device '" + device.devargs() + "' needs the name of a kernel interface: " + device.name +
                ",iface=eth0");
}

void complete_arguments(DpdkDevice& device) {
    if (device.pci() || device.kind->name != "net_af_packet" || !device.argument("framesz").empty()) return;
    device.arguments += ",framesz=" + std::to_string(kPacketRingFrame) + ",blocksz=" + std::to_string(kPacketRingFrame);
}

std::uint32_t largest_frame(const DpdkDevice& device, std::uint32_t mtu) {
    const std::uint32_t frame = mtu + kLinkHeader;
    if (device.pci() || device.kind->name != "net_af_packet") return frame;
    const std::string size = device.argument("framesz");
    // The driver refuses a ring whose frames do not fit its packet buffers.
    const auto ring = size.empty() || size.size() > 5
                          ? kPacketRingFrame
                          : static_cast<std::uint32_t>(std::strtoul(size.c_str(), nullptr, 10));
    return std::max(frame, std::max(ring, kPacketRingHeader) - kPacketRingHeader);
}

}  // namespace dsr::lb
