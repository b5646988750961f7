#include "verify/probe/conversation.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dsr::verify {
namespace {

using std::chrono::milliseconds;

// How long a peer has to acknowledge our FIN when nothing was asked of it.
constexpr milliseconds kFarewell{300};
constexpr std::size_t kMaxResponse = std::size_t{256} * 1024;

sockaddr_in socket_address(wire::Ipv4Address address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = address.network().raw();
    return out;
}

enum class State : std::uint8_t { waiting, connecting, reading, done };

// One conversation's progress. advance() is called when its socket is ready.
class Talk {
public:
    Talk(Conversation conversation, milliseconds timeout) : conversation_(std::move(conversation)), timeout_(timeout) {}

    void start() {
        deadline_ = Clock::now() + timeout_;
        const sockaddr_in peer = socket_address(conversation_.flow.destination, conversation_.flow.destination_port);
        const int status = ::connect(fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
        if (is_udp()) {
            state_ = status == 0 ? State::reading : State::done;
            send_datagram();
        } else {
            state_ = status == 0 || errno == EINPROGRESS ? State::connecting : State::done;
            port_taken_ = state_ == State::done && errno == EADDRNOTAVAIL;
        }
        if (state_ == State::done) finish();
    }

    void advance() {
        if (state_ == State::connecting) return connected();
        if (state_ == State::reading) return is_udp() ? read_datagrams() : read_stream();
    }

    // Time is up for this step: a lost datagram is sent again, anything else is over.
    void tick(Clock::time_point now) {
        if (is_udp() && now >= resend_ && now < deadline_) send_datagram();
        if (now >= deadline_) finish();
    }

    [[nodiscard]] Clock::time_point next_tick() const { return is_udp() ? std::min(resend_, deadline_) : deadline_; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] bool port_taken() const { return port_taken_; }
    [[nodiscard]] const wire::FlowKey& flow() const { return conversation_.flow; }
    [[nodiscard]] pollfd poll() const {
        return {fd(), static_cast<short>(state_ == State::connecting ? POLLOUT : POLLIN), 0};
    }

private:
    [[nodiscard]] int fd() const { return conversation_.socket.get(); }
    [[nodiscard]] bool is_udp() const { return conversation_.flow.protocol == wire::kProtocolUdp; }

    void finish() {
        state_ = State::done;
        conversation_.socket.reset();
    }

    void connected() {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return finish();
        state_ = State::reading;
        if (!conversation_.http) {
            ::shutdown(fd(), SHUT_WR);
            deadline_ = std::min(deadline_, Clock::now() + kFarewell);
            return;
        }
        const std::string request = fmt::format("GET / HTTP/1.0\r\nHost: {}\r\nUser-Agent: dsr-verify\r\n\r\n",
                                                wire::to_string(conversation_.flow.destination));
        if (::send(fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) finish();
    }

    void read_stream() {
        char buffer[4096];
        for (;;) {
            const ssize_t count = ::recv(fd(), buffer, sizeof buffer, 0);
            if (count < 0 && errno == EAGAIN) return;
            received_ += count > 0 ? static_cast<std::size_t>(count) : 0;
            if (count <= 0 || received_ > kMaxResponse) return finish();
        }
    }

    void send_datagram() {
        const std::string cookie = fmt::format("dsr-verify {}:{} {}\n", wire::to_string(conversation_.flow.source),
                                               conversation_.flow.source_port, sent_);
        ++sent_;
        // Errors of a datagram are ICMP messages, which the capture sees.
        ::send(fd(), cookie.data(), cookie.size(), MSG_NOSIGNAL);
        resend_ = Clock::now() + timeout_ / kDatagrams;
    }

    void read_datagrams() {
        char buffer[2048];
        for (;;) {
            const ssize_t count = ::recv(fd(), buffer, sizeof buffer, 0);
            if (count < 0 && errno == EAGAIN) return;
            if (count < 0 || ++answers_ == kDatagrams) return finish();
            send_datagram();
        }
    }

    Conversation conversation_;
    milliseconds timeout_;
    State state_ = State::waiting;
    Clock::time_point deadline_;
    Clock::time_point resend_ = Clock::time_point::max();
    std::size_t received_ = 0;
    bool port_taken_ = false;
    int sent_ = 0;
    int answers_ = 0;
};

}  // namespace

sys::UniqueFd bind_port(const Path& path, std::uint8_t protocol, std::uint16_t port) {
    const bool udp = protocol == wire::kProtocolUdp;
    sys::UniqueFd fd(::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fd;
    const int on = 1;
    // Lets a port be used whose last connection lingers in TIME_WAIT; two UDP sockets on one port would mix replies.
    if (!udp) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (path.forced)
        ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, path.interface.c_str(),
                     static_cast<socklen_t>(path.interface.size()));
    const sockaddr_in local = socket_address(path.client, port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) fd.reset();
    return fd;
}

Result<std::vector<wire::FlowKey>> converse(std::vector<Conversation> conversations, milliseconds timeout,
                                            Recorder& recorder) {
    std::vector<Talk> talks;
    talks.reserve(conversations.size());
    for (Conversation& conversation : conversations)
        talks.emplace_back(std::move(conversation), timeout);
    std::vector<Talk*> active;
    std::size_t next = 0;
    while (next < talks.size() || !active.empty()) {
        while (active.size() < kParallel && next < talks.size()) {
            Talk& talk = talks[next++];
            talk.start();
            if (talk.state() != State::done) active.push_back(&talk);
        }
        if (active.empty()) continue;
        std::vector<pollfd> sockets;
        Clock::time_point wake = Clock::time_point::max();
        for (const Talk* talk : active) {
            sockets.push_back(talk->poll());
            wake = std::min(wake, talk->next_tick());
        }
        if (auto waited = recorder.wait(sockets, wake); !waited) return std::unexpected(waited.error());
        const Clock::time_point now = Clock::now();
        for (std::size_t i = 0; i < active.size(); ++i) {
            if (sockets[i].revents != 0) active[i]->advance();
            if (active[i]->state() != State::done) active[i]->tick(now);
        }
        std::erase_if(active, [](const Talk* talk) { return talk->state() == State::done; });
    }
    std::vector<wire::FlowKey> taken;
    for (const Talk& talk : talks)
        if (talk.port_taken()) taken.push_back(talk.flow());
    return taken;
}

}  // namespace dsr::verify
