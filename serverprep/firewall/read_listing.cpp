#include "serverprep/firewall/read_listing.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "serverprep/firewall/symbols.hpp"

namespace dsr::serverprep::firewall {
namespace {

constexpr std::string_view kHandle = " # handle ";

std::string_view trimmed(std::string_view line) {
    const auto first = line.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view() : line.substr(first);
}

std::vector<std::string> words_of(std::string_view line) {
    std::istringstream stream{std::string(line)};
    std::vector<std::string> words;
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

// 'counter packets 3 bytes 180' differs from one run to the next.
std::string without_counters(std::string text) {
    constexpr std::string_view kStart = "counter packets ";
    for (auto start = text.find(kStart); start != std::string::npos; start = text.find(kStart, start)) {
        const auto bytes = text.find(" bytes ", start);
        if (bytes == std::string::npos) break;
        const auto end = text.find_first_not_of("0123456789", bytes + 7);
        text.erase(start, end == std::string::npos ? std::string::npos : end - start + 1);
    }
    while (text.ends_with(' '))
        text.pop_back();
    return text;
}

// 'type filter hook ingress device "lo" priority 0', or 'devices = { "eth0", "eth1" }'.
std::vector<std::string> devices_in(std::string_view line) {
    std::vector<std::string> devices;
    for (std::size_t quote = line.find('"'); quote != std::string_view::npos; quote = line.find('"', quote + 1)) {
        const auto end = line.find('"', quote + 1);
        if (end == std::string_view::npos) break;
        devices.emplace_back(line.substr(quote + 1, end - quote - 1));
        quote = end;
    }
    return devices;
}

class Listing {
public:
    explicit Listing(std::vector<Table>& tables) : tables_(tables) {}

    void add(std::string_view line) {
        if (line == "}") return leave();
        const auto words = words_of(line);
        if (words.size() >= 4 && words[0] == "table" && words[3] == "{") return enter_table(words[1], words[2]);
        if (words.size() >= 3 && words[0] == "chain" && words[2] == "{" && depth_ == 1) return enter_chain(words[1]);
        if (words.size() >= 3 && words[2] == "{" && depth_ == 1) return void(++depth_);
        if (table_ && depth_ == 1 && words.size() >= 2 && words[0] == "flags") note_flags(line);
        if (chain_ && depth_ == 2) note_in_chain(line, words);
    }

private:
    void leave() {
        if (depth_ > 0) --depth_;
        chain_ = nullptr;
        if (depth_ == 0) table_ = nullptr;
    }

    void enter_table(const std::string& family, const std::string& name) {
        depth_ = 1;
        const auto found = std::ranges::find_if(
            tables_, [&](const Table& table) { return table.family == family && table.name == name; });
        table_ = found == tables_.end() ? nullptr : &*found;
        // Only a line 'flags' says otherwise.
        if (table_) table_->dormant = Truth::no;
    }

    void enter_chain(const std::string& name) {
        depth_ = 2;
        if (!table_) return;
        const auto found = table_->chains.find(name);
        chain_ = found == table_->chains.end() ? nullptr : &found->second;
    }

    void note_flags(std::string_view line) const {
        if (line.find("dormant") != std::string_view::npos) table_->dormant = Truth::yes;
    }

    void note_in_chain(std::string_view line, const std::vector<std::string>& words) {
        if (words.size() > 3 && words[0] == "type" && words[2] == "hook") {
            if (!chain_->devices && line.find(" device") != std::string_view::npos) chain_->devices = devices_in(line);
            return;
        }
        const auto mark = line.rfind(kHandle);
        if (mark == std::string_view::npos) return;
        const auto handle = decimal(line.substr(mark + kHandle.size()));
        if (!handle) return;
        // Handles rise in most chains, but not after an insertion.
        for (Rule& rule : chain_->rules)
            if (rule.handle == *handle && rule.text.empty())
                rule.text = without_counters(std::string(line.substr(0, mark)));
    }

    std::vector<Table>& tables_;
    Table* table_ = nullptr;
    Chain* chain_ = nullptr;
    int depth_ = 0;
};

}  // namespace

void add_listing(const std::string& listing, std::vector<Table>& tables) {
    Listing reader(tables);
    std::istringstream stream(listing);
    for (std::string line; std::getline(stream, line);)
        reader.add(trimmed(line));
}

}  // namespace dsr::serverprep::firewall
