#include "lb/dataplane/mailbox.hpp"

#include <catch2/catch.hpp>
#include <thread>

using dsr::lb::Mailbox;

TEST_CASE("messages come out in order, and a full mailbox refuses") {
    Mailbox<int, 4> mailbox;
    for (int i = 0; i < 4; ++i)
        CHECK(mailbox.put(i));
    CHECK_FALSE(mailbox.put(4));
    int message = -1;
    for (int i = 0; i < 4; ++i) {
        CHECK(mailbox.take(message));
        CHECK(message == i);
    }
    CHECK_FALSE(mailbox.take(message));
}

TEST_CASE("nothing is lost or doubled between two threads") {
    Mailbox<int, 64> mailbox;
    constexpr int kCount = 100000;
    std::thread writer([&] {
        for (int i = 0; i < kCount;)
            if (mailbox.put(i))
                ++i;
            else
                std::this_thread::yield();
    });
    int expected = 0;
    for (int message = 0; expected < kCount;)
        if (mailbox.take(message)) {
            if (message != expected) break;
            ++expected;
        } else {
            std::this_thread::yield();
        }
    writer.join();
    CHECK(expected == kCount);
}
