#include "lb/control/run.hpp"

#include <cstdio>

#include <signal.h>

#include "common/config/reader.hpp"
#include "common/sys/event_loop.hpp"
#include "common/sys/notify.hpp"
#include "lb/control/api.hpp"
#include "lb/control/balancer.hpp"
#include "lb/control/check.hpp"
#include "lb/control/console.hpp"

namespace dsr::lb {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// How long servers and gateways may take to answer ARP before lb goes on without them: three requests.
constexpr auto kResolveTime = 3s;
// How long a network card may take to agree with the switch on a link.
constexpr auto kLinkTime = 12s;

// From start to end of one `lb run`, on the control thread.
class Run {
public:
    Run(Balancer& balancer, Api& api, sys::EventLoop& loop) : balancer_(balancer), api_(api), loop_(loop) {}

    int operator()() {
        if (const auto watched = watch(); !watched) return report(watched.error().message);
        resolve();
        if (ended_) return exit_code_;
        if (const auto dead = balancer_.dead_gateway()) return report(*dead);
        for (const auto& sentence : balancer_.unresolved())
            say("warning: " + sentence);
        if (const auto announced = balancer_.announce(); !announced) return report(announced.error().message);
        ready_ = true;
        api_.take_commands();
        say("ready: " + balancer_.summary());
        sys::notify_ready("forwarding " + balancer_.summary());

        loop_.run(200ms, [this] { tick(); });
        sys::notify_stopping();
        if (const auto stopped = balancer_.stop(); !stopped) say(stopped.error().message);
        say("stopped");
        return exit_code_;
    }

private:
    Result<void> watch() {
        for (const auto& server : api_.servers())
            if (auto watched = loop_.watch(server->fd(), [&server] { server->serve(); }); !watched) return watched;
        return loop_.watch_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) {
            if (signal != SIGHUP) return end(0);
            // While lb starts, it has just read the file.
            if (ready_) (void)api_.reload();
        });
    }

    // Nobody answers before the link is up: a card that was just started may take seconds.
    void resolve() {
        const auto link_deadline = Clock::now() + kLinkTime;
        auto deadline = Clock::now() + kResolveTime;
        loop_.run(20ms, [&] {
            tick();
            const auto now = Clock::now();
            if (now < link_deadline && !balancer_.linked()) deadline = now + kResolveTime;
            if (balancer_.resolved() || now >= deadline) loop_.stop();
        });
    }

    void tick() {
        for (const auto& server : api_.servers())
            server->serve();
        if (const auto ticked = balancer_.tick(Clock::now()); !ticked) {
            say(ticked.error().message);
            end(1);
        }
        for (const auto& warning : balancer_.take_warnings())
            say("warning: " + warning);
    }

    void end(int exit_code) {
        ended_ = true;
        exit_code_ = exit_code;
        loop_.stop();
    }

    int report(const std::string& message) {
        say(message);
        return 1;
    }

    Balancer& balancer_;
    Api& api_;
    sys::EventLoop& loop_;
    bool ready_ = false;
    bool ended_ = false;
    int exit_code_ = 0;
};

}  // namespace

int run(const std::string& config_path) {
    // Blocked before any thread exists; taken up once there is something to end in order.
    sys::block_signals({SIGTERM, SIGINT, SIGHUP});
    auto config = read_config(config_path);
    if (!config) return 2;
    for (const auto& warning : warnings_of(*config))
        say("warning: " + warning);
    auto loop = sys::EventLoop::create();
    if (!loop) {
        say(loop.error().message);
        return 1;
    }
    auto api = Api::open(config->load_balancer, config_path);
    if (!api) {
        say(api.error().message);
        return 1;
    }
    auto balancer = Balancer::start(*std::move(config));
    if (!balancer) {
        say(balancer.error().message);
        return balancer.error().exit_code;
    }
    (*api)->attach(**balancer);
    return Run(**balancer, **api, *loop)();
}

}  // namespace dsr::lb
