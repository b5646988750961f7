#include "lb/driver/capture_file_driver.hpp"

#include <cerrno>
#include <cstring>

#include <pcap/pcap.h>

#include "lb/dataplane/cutter.hpp"

namespace dsr::lb {
namespace {

constexpr int kSnapLength = 262144;

struct CloseHandle {
    void operator()(pcap_t* handle) const { ::pcap_close(handle); }
};
struct CloseDumper {
    void operator()(pcap_dumper_t* dumper) const { ::pcap_dump_close(dumper); }
};
using Handle = std::unique_ptr<pcap_t, CloseHandle>;
using Dumper = std::unique_ptr<pcap_dumper_t, CloseDumper>;

class ReplayDriver final : public CaptureFileDriver {
public:
    ReplayDriver(std::string input_name, std::string output_name, Handle input, Handle format, Dumper output,
                 const std::vector<Interface>& interfaces, Observer observer)
        : input_name_(std::move(input_name)),
          output_name_(std::move(output_name)),
          input_(std::move(input)),
          format_(std::move(format)),
          output_(std::move(output)),
          interfaces_(interfaces),
          observer_(std::move(observer)) {
        for (const Interface& interface : interfaces)
            largest_mtu_ = std::max(largest_mtu_, interface.mtu);
        piece_.resize(largest_mtu_ + 64);
    }

    // One frame at a time: what is sent because of it, a fragment that has waited for it above all, then follows it in
    // the output, with its time.
    std::size_t receive(std::span<Packet, kBurstSize> burst) override {
        if (!read_frame()) return 0;
        buffer_.resize(kHeadroom);
        buffer_.insert(buffer_.end(), bytes_, bytes_ + header_.caplen);
        Packet& packet = burst[0];
        packet = {};
        packet.data = buffer_.data() + kHeadroom;
        packet.length = header_.caplen;
        packet.number = static_cast<std::uint32_t>(frame_);
        packet.ingress = ingress_of(packet);
        now_ = static_cast<std::uint64_t>(header_.ts.tv_sec);
        return 1;
    }

    void transmit(std::span<Packet> burst) override {
        for (std::size_t i = 0; i < burst.size(); ++i)
            if (burst[i].leaves()) write_packet(burst[i]);
        observer_(burst);
    }

    std::uint64_t now() override { return now_; }
    void wait(std::chrono::milliseconds) override {}
    void wake() override {}

    Result<void> finish() override {
        if (!failure_.empty()) return fail(failure_);
        if (::pcap_dump_flush(output_.get()) != 0 || std::ferror(::pcap_dump_file(output_.get())) != 0)
            return fail("'" + output_name_ + "' cannot be written: " + std::strerror(errno));
        return {};
    }

private:
    bool read_frame() {
        if (!failure_.empty()) return false;
        pcap_pkthdr* header = nullptr;
        const int result = ::pcap_next_ex(input_.get(), &header, &bytes_);
        if (result == PCAP_ERROR_BREAK) return false;  // the end
        ++frame_;
        if (result != 1) {
            failure_ = "'" + input_name_ + "': frame " + std::to_string(frame_) + ": " + ::pcap_geterr(input_.get());
            return false;
        }
        if (header->caplen < header->len) {
            failure_ = "'" + input_name_ + "': frame " + std::to_string(frame_) + " was captured only in part (" +
                       std::to_string(header->caplen) + " of " + std::to_string(header->len) +
                       " bytes); capture whole frames (tcpdump -s 0)";
            return false;
        }
        header_ = *header;
        return true;
    }

    [[nodiscard]] std::uint8_t ingress_of(const Packet& packet) const {
        if (packet.length < sizeof(wire::EthernetHeader)) return 0;
        const auto& destination = wire::header_at<wire::EthernetHeader>(packet.bytes()).destination;
        for (std::size_t i = 0; i < interfaces_.size(); ++i)
            if (interfaces_[i].mac == destination) return static_cast<std::uint8_t>(i);
        return 0;
    }

    void write_packet(Packet& packet) {
        if (packet.cut == Cut::none) return write_frame(packet.bytes());
        Cutter cutter(packet);
        while (!cutter.done()) {
            const wire::Bytes piece = cutter.next(piece_);
            if (piece.empty()) return packet.drop(Drop::transmit_failed);
            write_frame(piece);
        }
    }

    void write_frame(wire::Bytes frame) {
        const auto length = static_cast<bpf_u_int32>(frame.size());
        const pcap_pkthdr header{header_.ts, length, length};
        ::pcap_dump(reinterpret_cast<u_char*>(output_.get()), &header, frame.data());
    }

    std::string input_name_;
    std::string output_name_;
    Handle input_;
    Handle format_;
    Dumper output_;
    std::vector<Interface> interfaces_;
    Observer observer_;
    std::vector<std::uint8_t> buffer_;
    std::vector<std::uint8_t> piece_;
    std::uint32_t largest_mtu_ = 0;
    std::uint64_t now_ = 0;
    std::uint64_t frame_ = 0;
    pcap_pkthdr header_{};
    const u_char* bytes_ = nullptr;
    std::string failure_;
};

}  // namespace

Result<std::unique_ptr<CaptureFileDriver>> CaptureFileDriver::open(const std::string& input, const std::string& output,
                                                                   const std::vector<Interface>& interfaces,
                                                                   Observer observer) {
    char error[PCAP_ERRBUF_SIZE] = "";
    Handle in(::pcap_open_offline(input.c_str(), error));
    if (!in) return fail("'" + input + "' cannot be read: " + error);
    if (::pcap_datalink(in.get()) != DLT_EN10MB)
        return fail("'" + input + "' is not a capture of Ethernet frames (link type " +
                    std::to_string(::pcap_datalink(in.get())) + ")");
    Handle format(::pcap_open_dead(DLT_EN10MB, kSnapLength));
    if (!format) return fail("libpcap is out of memory");
    Dumper out(::pcap_dump_open(format.get(), output.c_str()));
    if (!out) return fail("'" + output + "' cannot be written: " + ::pcap_geterr(format.get()));
    return std::make_unique<ReplayDriver>(input, output, std::move(in), std::move(format), std::move(out), interfaces,
                                          std::move(observer));
}

}  // namespace dsr::lb
