//! Orders as JSON, and tuples that are spoilt.

/// The order of that number, of one item: of one of 97 customers and seven sellers, on one of 28 days of June 2025, at a price
/// that is the number.
pub fn numbered(number: u32) -> String {
    let (customer, day, seller) = (number % 97, number % 28 + 1, number % 7);
    format!(
        "{{\"customer_id\":\"CUST{customer}\",\"order_id\":\"ORD{number}\",\"timestamp\":\"2025-06-{day:02}T12:30:00Z\",\
         \"items\":[{{\"sku\":\"A\",\"quantity\":1,\"price\":{number},\"seller_id\":\"S{seller}\"}}]}}"
    )
}

/// The same bytes with some replaced by others: makes of a good tuple one that is refused.
pub fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes to be replaced");
    bytes.splice(at..at + from.len(), to.iter().copied());
    bytes
}
