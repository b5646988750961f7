#include "verify/capture/capture.hpp"

#include <chrono>

#include <fmt/format.h>
#include <pcap/pcap.h>

namespace dsr::verify {
namespace {

// Enough for every header, with options and an ICMP error's quotation; the rest of a frame is no evidence.
constexpr int kSnapLength = 256;
constexpr int kBufferBytes = 8 * 1024 * 1024;

Error open_error(pcap* handle, const std::string& interface, int status) {
    if (status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED)
        return {fmt::format("capturing on '{}' needs root or CAP_NET_RAW", interface)};
    if (status == PCAP_ERROR_NO_SUCH_DEVICE) return {fmt::format("there is no interface '{}'", interface)};
    if (status == PCAP_ERROR_IFACE_NOT_UP) return {fmt::format("the interface '{}' is down", interface)};
    const std::string words = pcap_geterr(handle);
    return {fmt::format("cannot capture on '{}': {}", interface, words.empty() ? pcap_statustostr(status) : words)};
}

}  // namespace

void Capture::Close::operator()(pcap* handle) const {
    pcap_close(handle);
}

Result<Capture> Capture::open(const std::string& interface, const std::string& filter) {
    char words[PCAP_ERRBUF_SIZE] = "";
    Capture capture(std::unique_ptr<pcap, Close>(pcap_create(interface.c_str(), words)));
    pcap* handle = capture.handle_.get();
    if (handle == nullptr) return fail(fmt::format("cannot capture on '{}': {}", interface, words));
    // These fail only after activation.
    pcap_set_snaplen(handle, kSnapLength);
    pcap_set_promisc(handle, 0);
    pcap_set_immediate_mode(handle, 1);
    pcap_set_buffer_size(handle, kBufferBytes);
    if (const int status = pcap_activate(handle); status < 0)
        return std::unexpected(open_error(handle, interface, status));
    if (pcap_datalink(handle) != DLT_EN10MB)
        return fail(fmt::format("the interface '{}' is not Ethernet: choose another one with --interface", interface));
    bpf_program program{};
    if (pcap_compile(handle, &program, filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
        return fail(fmt::format("cannot compile the filter '{}': {}", filter, pcap_geterr(handle)));
    const int installed = pcap_setfilter(handle, &program);
    pcap_freecode(&program);
    if (installed != 0 || pcap_setdirection(handle, PCAP_D_INOUT) != 0)
        return fail(fmt::format("cannot set up the capture on '{}': {}", interface, pcap_geterr(handle)));
    if (pcap_setnonblock(handle, 1, words) != 0)
        return fail(fmt::format("cannot set up the capture on '{}': {}", interface, words));
    return capture;
}

int Capture::fd() const {
    return pcap_get_selectable_fd(handle_.get());
}

Result<void> Capture::drain(std::vector<Frame>& frames) {
    // libpcap's signature. NOLINTNEXTLINE(readability-non-const-parameter)
    const auto keep = [](u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
        const std::chrono::nanoseconds time =
            std::chrono::seconds(header->ts.tv_sec) + std::chrono::microseconds(header->ts.tv_usec);
        reinterpret_cast<std::vector<Frame>*>(user)->push_back({time, {bytes, bytes + header->caplen}});
    };
    for (;;) {
        const int count = pcap_dispatch(handle_.get(), -1, keep, reinterpret_cast<u_char*>(&frames));
        if (count < 0) return fail(fmt::format("the capture ended: {}", pcap_geterr(handle_.get())));
        if (count == 0) return {};
    }
}

Result<void> Capture::inject(wire::Bytes frame, std::vector<Frame>& frames) {
    if (pcap_inject(handle_.get(), frame.data(), frame.size()) < 0)
        return fail(fmt::format("cannot send a frame: {}", pcap_geterr(handle_.get())));
    frames.push_back({std::chrono::system_clock::now().time_since_epoch(), {frame.begin(), frame.end()}});
    return {};
}

}  // namespace dsr::verify
