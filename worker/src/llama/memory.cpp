// What a context takes, by buffer type. libllama exports the answer as C++ only, and its header
// (llama-ext.h) is not among those that are installed, so the types are declared here as it declares
// them; they belong to exactly the release of llama-cpp-sys-2 that Cargo.toml pins.

#include <cstddef>
#include <cstdint>
#include <map>

struct ggml_backend_buffer_type;
struct ggml_backend_device;
struct llama_context;

extern "C" ggml_backend_buffer_type * ggml_backend_cpu_buffer_type();
extern "C" ggml_backend_device * ggml_backend_buft_get_device(ggml_backend_buffer_type * type);
extern "C" unsigned ggml_backend_dev_type(ggml_backend_device * device);
extern "C" bool ggml_backend_buft_is_host(ggml_backend_buffer_type * type);

struct llama_memory_breakdown_data {
    size_t model;
    size_t context;
    size_t compute;
};

std::map<ggml_backend_buffer_type *, llama_memory_breakdown_data>
llama_get_memory_breakdown(const llama_context * context);

// As `Entry` of memory.rs: 0 is the CPU's plain buffer type, 1 other memory of the host, 2 a GPU's.
struct core_memory_entry {
    uint32_t place;
    uint64_t model;
    uint64_t context;
    uint64_t compute;
};

static uint32_t place_of(ggml_backend_buffer_type * type) {
    const unsigned cpu = 0, accelerator = 3;
    if (type == ggml_backend_cpu_buffer_type()) {
        return 0;
    }
    ggml_backend_device * device = ggml_backend_buft_get_device(type);
    const unsigned kind = device ? ggml_backend_dev_type(device) : cpu;
    const bool host = ggml_backend_buft_is_host(type) || kind == cpu || kind == accelerator;
    return host ? 1 : 2;
}

// Fills at most `most` entries; answers how many there are, or -1.
extern "C" int32_t core_memory_breakdown(
        const llama_context * context, core_memory_entry * entries, size_t most) {
    try {
        size_t count = 0;
        for (const auto & [type, data] : llama_get_memory_breakdown(context)) {
            if (count == most) {
                return -1;
            }
            entries[count++] = { place_of(type), data.model, data.context, data.compute };
        }
        return (int32_t) count;
    } catch (...) {
        return -1;
    }
}
