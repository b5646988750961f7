#include "lb/driver/pcap_driver.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "common/sys/unique_fd.hpp"
#include "lb/driver/clock.hpp"
#include "lb/driver/pcap_send.hpp"

namespace dsr::lb {
namespace {

// A super-frame's 64 KiB and its link header with two VLAN tags.
constexpr int kSnapLength = 65535 + 14 + 8;
constexpr std::size_t kCacheLine = 64;
// For one frame of a burst, in the worst case.
constexpr std::size_t kBufferSize = kHeadroom + (kSnapLength + kCacheLine - 1) / kCacheLine * kCacheLine;
// Where an interface has offloads, libpcap's ring takes a slot of kSnapLength for every frame, however small: some
// 2000 frames.
constexpr int kRingBytes = 128 * 1024 * 1024;

struct CloseHandle {
    void operator()(pcap_t* handle) const { ::pcap_close(handle); }
};
using Handle = std::unique_ptr<pcap_t, CloseHandle>;

Error open_error(const std::string& name, int code, pcap_t* handle) {
    const std::string subject = "interface '" + name + "'";
    if (code == PCAP_ERROR_NO_SUCH_DEVICE) return {subject + " does not exist"};
    if (code == PCAP_ERROR_PERM_DENIED)
        return {subject + " cannot be opened: lb needs the capability CAP_NET_RAW (run it as root)"};
    if (code == PCAP_ERROR_IFACE_NOT_UP) return {subject + " is down; bring it up with: ip link set " + name + " up"};
    const char* detail = ::pcap_geterr(handle);
    return {subject + " cannot be opened: " + (*detail != '\0' ? detail : ::pcap_statustostr(code))};
}

Result<Handle> open_handle(const std::string& name) {
    char error[PCAP_ERRBUF_SIZE] = "";
    Handle handle(::pcap_create(name.c_str(), error));
    if (!handle) return fail("interface '" + name + "' cannot be opened: " + error);
    ::pcap_set_snaplen(handle.get(), kSnapLength);
    ::pcap_set_promisc(handle.get(), 0);
    ::pcap_set_immediate_mode(handle.get(), 1);  // a frame is delivered when it is there, not when a block is full
    ::pcap_set_buffer_size(handle.get(), kRingBytes);
    const int code = ::pcap_activate(handle.get());
    if (code < 0) return std::unexpected(open_error(name, code, handle.get()));
    if (::pcap_datalink(handle.get()) != DLT_EN10MB)
        return fail("interface '" + name + "' is not an Ethernet interface");
    if (::pcap_setnonblock(handle.get(), 1, error) != 0)
        return fail("interface '" + name + "' cannot be used: " + error);
    ::pcap_setdirection(handle.get(), PCAP_D_IN);
    // The same in the kernel: our own frames would otherwise take ring slots. Older kernels than 4.20 refuse; then
    // libpcap filters alone.
    const int on = 1;
    (void)::setsockopt(::pcap_fileno(handle.get()), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    return handle;
}

class PcapDriver final : public Driver, public Drivers {
public:
    PcapDriver(std::vector<Handle> handles, const std::vector<PcapInterface>& interfaces, sys::UniqueFd wake_fd)
        : handles_(std::move(handles)),
          buffers_(std::make_unique<std::uint8_t[]>(kBurstSize * kBufferSize)),
          wake_fd_(std::move(wake_fd)) {
        for (std::size_t i = 0; i < handles_.size(); ++i) {
            names_.push_back(interfaces[i].name);
            senders_.emplace_back(::pcap_fileno(handles_[i].get()), interfaces[i].mtu);
            poll_.push_back({::pcap_get_selectable_fd(handles_[i].get()), POLLIN, 0});
        }
        poll_.push_back({wake_fd_.get(), POLLIN, 0});
    }

    std::size_t receive(std::span<Packet, kBurstSize> burst) override {
        Burst into{burst, 0, 0, buffers_.get()};
        // Interfaces take turns at being first, so that a busy one cannot starve the other.
        first_ = (first_ + 1) % handles_.size();
        for (std::size_t i = 0; i < handles_.size() && into.count < kBurstSize; ++i) {
            const std::size_t index = (first_ + i) % handles_.size();
            into.interface = static_cast<std::uint8_t>(index);
            const int result = ::pcap_dispatch(handles_[index].get(), static_cast<int>(kBurstSize - into.count),
                                               &take_frame, reinterpret_cast<u_char*>(&into));
            if (result < 0) note_failure(index);
        }
        return into.count;
    }

    void transmit(std::span<Packet> burst) override {
        for (Packet& packet : burst)
            if (packet.leaves()) senders_[packet.egress].add(packet);
        for (PcapSender& sender : senders_)
            sender.flush();
    }

    std::uint64_t now() override { return coarse_seconds(); }

    void wait(std::chrono::milliseconds at_most) override {
        if (::poll(poll_.data(), poll_.size(), static_cast<int>(at_most.count())) <= 0) return;
        std::uint64_t ignored = 0;
        if ((poll_.back().revents & POLLIN) != 0) (void)!::read(wake_fd_.get(), &ignored, sizeof ignored);
    }

    void wake() override {
        const std::uint64_t one = 1;
        (void)!::write(wake_fd_.get(), &one, sizeof one);
    }

    [[nodiscard]] std::string failure() const override {
        const std::lock_guard lock(failure_mutex_);
        return failure_;
    }

    [[nodiscard]] Driver& of_worker(std::size_t /*worker*/) override { return *this; }

    [[nodiscard]] std::vector<InterfaceState> interfaces() override {
        std::vector<InterfaceState> states;
        for (const Handle& handle : handles_) {
            pcap_stat statistics{};
            auto& state = states.emplace_back();
            if (::pcap_stats(handle.get(), &statistics) == 0) state.dropped = statistics.ps_drop;
        }
        return states;
    }

private:
    struct Burst {
        std::span<Packet, kBurstSize> packets;
        std::size_t count;
        std::uint8_t interface;
        std::uint8_t* free;  // where the next frame's headroom starts
    };

    // The ring's memory is libpcap's again as soon as this returns, hence the copy.
    static void take_frame(u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
        auto& burst = *reinterpret_cast<Burst*>(user);
        std::uint8_t* frame = burst.free + kHeadroom;
        std::memcpy(frame, bytes, header->caplen);
        // One behind the other on cache lines of their own: a burst of small frames stays in the first-level cache.
        burst.free = frame + (header->caplen + kCacheLine - 1) / kCacheLine * kCacheLine;
        Packet& packet = burst.packets[burst.count++];
        packet = {};
        packet.data = frame;
        packet.length = header->caplen;
        packet.ingress = burst.interface;
    }

    void note_failure(std::size_t index) {
        // An interface that is down comes back by itself; the frames lost meanwhile are the network's.
        if (errno == ENETDOWN) return;
        const std::lock_guard lock(failure_mutex_);
        if (failure_.empty())
            failure_ = "interface '" + names_[index] + "' failed: " + ::pcap_geterr(handles_[index].get());
    }

    std::vector<Handle> handles_;
    std::vector<std::string> names_;
    std::vector<PcapSender> senders_;
    std::vector<pollfd> poll_;
    std::unique_ptr<std::uint8_t[]> buffers_;
    std::size_t first_ = 0;
    sys::UniqueFd wake_fd_;
    mutable std::mutex failure_mutex_;
    std::string failure_;
};

}  // namespace

Result<std::unique_ptr<Drivers>> open_pcap(const std::vector<PcapInterface>& interfaces) {
    std::vector<Handle> handles;
    for (const auto& interface : interfaces) {
        auto handle = open_handle(interface.name);
        if (!handle) return std::unexpected(handle.error());
        handles.push_back(*std::move(handle));
    }
    sys::UniqueFd wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd.valid()) return fail(std::string("eventfd: ") + std::strerror(errno));
    return std::make_unique<PcapDriver>(std::move(handles), interfaces, std::move(wake_fd));
}

}  // namespace dsr::lb
