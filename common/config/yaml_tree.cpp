#include "common/config/yaml_tree.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <yaml.h>

namespace dsr::config {
namespace {

class Event {
public:
    Event() = default;
    ~Event() { yaml_event_delete(&event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    yaml_event_t* operator->() { return &event_; }
    yaml_event_t* get() { return &event_; }

private:
    yaml_event_t event_{};
};

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The bytes of the line break at the start of `text`, as YAML 1.1 has them; 0: there is none.
std::size_t line_break(std::string_view text) {
    for (const std::string_view one : {"\r\n", "\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"})
        if (text.starts_with(one)) return one.size();
    return 0;
}

// The place of a byte, counted as libyaml counts. Costs a pass over the text before it.
Mark mark_of_offset(std::string_view text, std::size_t offset) {
    Mark mark{1, 1};
    for (std::size_t at = 0; at < std::min(offset, text.size());) {
        if (const std::size_t size = line_break(text.substr(at)); size > 0) {
            mark = {mark.line + 1, 1};
            at += size;
        } else {
            if ((static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U) ++mark.column;
            ++at;
        }
    }
    return mark;
}

// Whether character number `index` is a tab; libyaml counts characters, not bytes.
bool starts_with_tab(std::string_view text, std::size_t index) {
    const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; };
    for (const char c : text)
        if (is_first_byte(c) && index-- == 0) return c == '\t';
    return false;
}

std::string_view view(const yaml_char_t* text) {
    return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

class TreeReader {
public:
    TreeReader(std::string_view yaml, Report& report) : yaml_(yaml), report_(report) {
        if (yaml_.starts_with(kByteOrderMark)) yaml_.remove_prefix(kByteOrderMark.size());
        if (yaml_parser_initialize(&parser_) == 0) throw std::bad_alloc();
        end_ = mark_of_offset(yaml_, yaml_.size());
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(yaml_.data()), yaml_.size());
    }
    ~TreeReader() { yaml_parser_delete(&parser_); }
    TreeReader(const TreeReader&) = delete;
    TreeReader& operator=(const TreeReader&) = delete;

    std::optional<Node> read();

private:
    enum class Step : unsigned char { more, end, broken };

    // libyaml ends a last line without a line break as if it had one, and would then point behind the text.
    [[nodiscard]] Mark mark_of(const yaml_mark_t& mark) const {
        return mark.line + 1 > end_.line ? end_ : Mark{mark.line + 1, mark.column + 1};
    }
    Step take(Event& event);
    void open(Event& event, Node::Kind kind, const yaml_char_t* anchor, const yaml_char_t* tag);
    void add(Node node);
    // Reports anchors and tags; true when the node has none.
    bool is_bare(Mark mark, const yaml_char_t* anchor, const yaml_char_t* tag);
    void report_syntax_error();

    std::string_view yaml_;
    Report& report_;
    yaml_parser_t parser_{};
    Mark end_;                // behind the last character
    std::vector<Node> open_;  // containers whose end has not come, outermost first
    std::optional<Node> root_;
    bool document_seen_ = false;
};

bool TreeReader::is_bare(Mark mark, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr)
        report_.add(mark, "YAML",
                    quoted("&" + std::string(view(anchor))) +
                        " anchors are not supported: write the value out where it is needed");
    if (tag != nullptr) report_.add(mark, "YAML", quoted(view(tag)) + " tags are not supported: write the plain value");
    return anchor == nullptr && tag == nullptr;
}

void TreeReader::add(Node node) {
    if (open_.empty())
        root_ = std::move(node);
    else
        open_.back().items.push_back(std::move(node));
}

void TreeReader::open(Event& event, Node::Kind kind, const yaml_char_t* anchor, const yaml_char_t* tag) {
    const Mark mark = mark_of(event->start_mark);
    is_bare(mark, anchor, tag);
    open_.push_back({kind, false, mark, {}, {}});
}

TreeReader::Step TreeReader::take(Event& event) {
    const Mark mark = mark_of(event->start_mark);
    switch (event->type) {
        case YAML_STREAM_END_EVENT:
            return Step::end;
        case YAML_DOCUMENT_START_EVENT:
            if (std::exchange(document_seen_, true)) {
                report_.add(mark, "YAML", "a second document starts here: a file holds one configuration");
                return Step::end;
            }
            return Step::more;
        case YAML_ALIAS_EVENT:
            report_.add(mark, "YAML",
                        quoted("*" + std::string(view(event->data.alias.anchor))) +
                            " aliases are not supported: write the value out");
            add({Node::Kind::refused, false, mark, {}, {}});
            return Step::more;
        case YAML_SCALAR_EVENT: {
            const auto& scalar = event->data.scalar;
            Node node{Node::Kind::scalar,
                      scalar.style == YAML_PLAIN_SCALAR_STYLE,
                      mark,
                      std::string(reinterpret_cast<const char*>(scalar.value), scalar.length),
                      {}};
            if (!is_bare(mark, scalar.anchor, scalar.tag)) node.kind = Node::Kind::refused;
            add(std::move(node));
            return Step::more;
        }
        case YAML_SEQUENCE_START_EVENT:
            open(event, Node::Kind::sequence, event->data.sequence_start.anchor, event->data.sequence_start.tag);
            break;
        case YAML_MAPPING_START_EVENT:
            open(event, Node::Kind::mapping, event->data.mapping_start.anchor, event->data.mapping_start.tag);
            break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: {
            Node node = std::move(open_.back());
            open_.pop_back();
            add(std::move(node));
            return Step::more;
        }
        default:
            return Step::more;
    }
    if (open_.size() <= kMaxDepth) return Step::more;
    report_.add(mark, "YAML", "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    return Step::broken;
}

void TreeReader::report_syntax_error() {
    if (parser_.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
    std::string reason = parser_.problem == nullptr ? "cannot be parsed" : parser_.problem;
    if (parser_.error == YAML_READER_ERROR) {
        report_.add(mark_of_offset(yaml_, parser_.problem_offset), "YAML", reason + " (the file must be UTF-8 text)");
        return;
    }
    const auto& mark = parser_.problem_mark;
    if (starts_with_tab(yaml_, mark.index)) reason = "a tab cannot be used for indentation";
    if (parser_.context != nullptr) {
        const Mark context = mark_of(parser_.context_mark);
        reason.append(", ").append(parser_.context).append(" that starts at ");
        reason.append(std::to_string(context.line)).append(":").append(std::to_string(context.column));
    }
    report_.add(mark_of(mark), "YAML", reason);
}

std::optional<Node> TreeReader::read() {
    for (;;) {
        Event event;
        if (yaml_parser_parse(&parser_, event.get()) == 0) {
            report_syntax_error();
            return std::nullopt;
        }
        const Step step = take(event);
        if (step == Step::broken) return std::nullopt;
        if (step == Step::more) continue;
        if (!root_) report_.add({1, 1}, "top level", "the file holds no configuration");
        return std::move(root_);
    }
}

}  // namespace

std::optional<Node> read_tree(std::string_view yaml, Report& report) {
    return TreeReader(yaml, report).read();
}

}  // namespace dsr::config
