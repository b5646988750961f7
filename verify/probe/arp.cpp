#include "verify/probe/arp.hpp"

#include <array>

#include "common/wire/build.hpp"

namespace dsr::verify {
namespace {

constexpr std::size_t kMinimumFrame = 60;  // IEEE 802.3 without the check sequence

Result<void> request(const Path& path, wire::Ipv4Address address, Recorder& recorder) {
    std::array<std::uint8_t, kMinimumFrame> buffer;
    return recorder.inject(wire::FrameBuilder(buffer)
                               .ethernet(wire::MacAddress::broadcast(), path.mac)
                               .arp(wire::kArpRequest, path.mac, path.client, {}, address)
                               .padding(kMinimumFrame - sizeof(wire::EthernetHeader) - sizeof(wire::ArpHeader)));
}

}  // namespace

Result<void> ask_arp(const Path& path, const std::vector<wire::Ipv4Address>& addresses, Recorder& recorder) {
    const auto start = Clock::now();
    for (int round = 1; round <= kArpRequests; ++round) {
        for (const wire::Ipv4Address address : addresses)
            if (auto sent = request(path, address, recorder); !sent) return sent;
        // No answer tells that there will be no other one: only time does.
        if (auto waited = recorder.wait_until([] { return false; }, start + kArpWindow * round / kArpRequests); !waited)
            return waited;
    }
    return {};
}

}  // namespace dsr::verify
