// Asio and Beast are compiled once, here (BOOST_ASIO_SEPARATE_COMPILATION); everything else only declares them.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
