//! `<clock>`, `<pm>` and the actions.

use domain_model::Code;
use domain_model::clock::{Adjustment, Clock, ClockOffset};
use domain_model::pm::Pm;

use super::{check, check_problems, check_same, read};

#[test]
fn clocks_are_written_as_libvirt_does() {
    check::<Clock>("clock", "<clock/>", "<clock offset='utc'/>");
    for attributes in [
        "offset='utc' adjustment='reset'",
        "offset='localtime'",
        "offset='timezone' timezone='Europe/Athens'",
        "offset='variable' adjustment='-90' basis='localtime'",
        "offset='absolute' start='1234567'",
    ] {
        check_same::<Clock>("clock", &format!("<clock {attributes}/>"));
    }
    check_same::<Clock>(
        "clock",
        "<clock offset='utc'>
  <timer name='rtc' present='yes' tickpolicy='catchup' track='guest'>
    <catchup threshold='123' slew='120' limit='10000'/>
  </timer>
  <timer name='tsc' frequency='3000000000' mode='native'/>
  <timer name='hpet' present='no'/>
</clock>",
    );
}

#[test]
fn what_a_clock_says() {
    let (clock, _) = read::<Clock>("<clock adjustment='+60' offset='utc'/>");
    assert_eq!(clock.offset, ClockOffset::Utc { adjustment: Some(Adjustment::Seconds(60)) });
}

#[test]
fn clocks_that_libvirt_refuses() {
    check_problems::<Clock>("<clock offset='timezone' timezone=''/>", &[Code::Malformed]);
    check_problems::<Clock>("<clock offset='absolute'/>", &[Code::Malformed]);
    check_problems::<Clock>("<clock offset='absolute' start='noon'/>", &[Code::Malformed]);
    check_problems::<Clock>("<clock offset='gmt'/>", &[Code::UnknownWord]);
    fn check_timer(timer: &str, expected: &[Code]) {
        check_problems::<Clock>(&format!("<clock><timer {timer}</clock>"), expected);
    }
    check_timer("name='tsc' mode='native' frequency='5'/>", &[]);
    check_timer("name='pit' mode='native' frequency='5' track='guest'/>", &[Code::Unsupported; 3]);
    check_timer("name='kvmclock' tickpolicy='delay'/>", &[Code::Unsupported]);
    check_timer("name='rtc' track='guest' tickpolicy='catchup'><catchup slew='1'/></timer>", &[]);
    check_timer("name='rtc' tickpolicy='delay'><catchup slew='1'/></timer>", &[Code::Conflict]);
    check_timer("name='rtc' tickpolicy='delay'><catchup/></timer>", &[]);
    check_problems::<Clock>("<clock offset='utc' adjustment='soon'/>", &[Code::BadValue]);
    check_problems::<Clock>("<clock offset='utc' timezone='UTC'/>", &[Code::UnknownAttribute]);
    check_problems::<Clock>("<clock><timer name='sundial'/></clock>", &[Code::BadValue]);
    check_problems::<Clock>("<clock><timer present='no'/></clock>", &[Code::MissingAttribute]);
}

#[test]
fn sleep_is_written_as_libvirt_does() {
    check::<Pm>(
        "pm",
        "<pm><suspend-to-disk enabled='no'/><suspend-to-mem enabled='yes'/></pm>",
        "<pm>\n  <suspend-to-mem enabled='yes'/>\n  <suspend-to-disk enabled='no'/>\n</pm>",
    );
}
