// Small messages between exactly one writing and one reading thread, without locks. Full: the message is refused.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace dsr::lb {

template <typename Message, std::size_t kCapacity>
class Mailbox {
    static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two");

public:
    bool put(const Message& message) {
        const std::size_t written = written_.load(std::memory_order_relaxed);
        if (written - read_.load(std::memory_order_acquire) == kCapacity) return false;
        messages_[written & (kCapacity - 1)] = message;
        written_.store(written + 1, std::memory_order_release);
        return true;
    }
    bool take(Message& message) {
        const std::size_t read = read_.load(std::memory_order_relaxed);
        if (read == written_.load(std::memory_order_acquire)) return false;
        message = messages_[read & (kCapacity - 1)];
        read_.store(read + 1, std::memory_order_release);
        return true;
    }

private:
    std::array<Message, kCapacity> messages_{};
    alignas(64) std::atomic<std::size_t> written_{0};
    alignas(64) std::atomic<std::size_t> read_{0};
};

}  // namespace dsr::lb
