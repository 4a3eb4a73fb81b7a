// The program runs on jemalloc with huge pages: thousands of conversations, each touched once in a while, are mostly
// cache and TLB misses. With 2,000 visitors that took a quarter off the reactor's CPU per message; glibc's own huge
// pages (glibc.malloc.hugetlb) took nothing.
extern "C" {
// Read by jemalloc before main(). MALLOC_CONF in the environment goes over it.
const char* malloc_conf = "thp:always,metadata_thp:auto,oversize_threshold:0";
}
